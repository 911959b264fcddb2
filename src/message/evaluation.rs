//! Which template each thread evaluates at the moment, for whoever watches over the memory and the time that it takes.
//!
//! The engine bounds the steps of a template, not what a step takes: `{% set a = a ~ a %}` doubles a text each time. The
//! bound must come from outside, by somebody who can measure. This file measures nothing; it only says what is going on,
//! and costs each evaluation two locks that nobody else wants.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use crate::problem::Place;
use crate::specification::{Span, Spec};
use parking_lot::{Mutex, MutexGuard};

/// Every thread that has evaluated a template and has not ended.
static THREADS: Mutex<Vec<Weak<Mutex<Slot>>>> = Mutex::new(Vec::new());

/// Numbers the threads.
static NEXT_THREAD: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static SLOT: RefCell<Option<Arc<Mutex<Slot>>>> = const { RefCell::new(None) };
}

/// What a thread does.
#[derive(Default)]
struct Slot {
    thread: u64,
    /// How many evaluations it has begun.
    count: u64,
    is_running: bool,
    spec: Option<Arc<Spec>>,
    template: Option<Span>,
    line: Option<u64>,
}

/// An evaluation that goes on: the templates of a spec that are compiled, or one template that is applied to a row.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// The same as long as it goes on, and never again.
    pub number: (u64, u64),
    /// Where the template is.
    pub place: Place,
    /// The line of the list that it is applied to; `None` while it is compiled.
    pub line: Option<u64>,
}

/// Everything that is being evaluated now, on any thread.
pub fn running() -> Vec<Evaluation> {
    let mut threads = lock(&THREADS);
    threads.retain(|slot| slot.strong_count() > 0);
    threads.iter().filter_map(Weak::upgrade).filter_map(|slot| lock(&slot).evaluation()).collect()
}

impl Slot {
    fn evaluation(&self) -> Option<Evaluation> {
        let spec = self.spec.as_ref().filter(|_| self.is_running)?;
        let place = self.template.map_or_else(|| Place::file(&spec.source.name), |span| spec.source.place(span));
        Some(Evaluation { number: (self.thread, self.count), place, line: self.line })
    }
}

/// An evaluation of this thread. It ends when this is dropped.
pub(super) struct Running(Arc<Mutex<Slot>>);

impl Running {
    /// Begins an evaluation.
    pub(super) fn begin(spec: &Arc<Spec>, template: Option<Span>, line: Option<u64>) -> Self {
        let slot = SLOT.with_borrow_mut(|slot| Arc::clone(slot.get_or_insert_with(register)));
        let mut now = lock(&slot);
        now.count += 1;
        now.is_running = true;
        (now.template, now.line) = (template, line);
        if !now.spec.as_ref().is_some_and(|last| Arc::ptr_eq(last, spec)) {
            now.spec = Some(Arc::clone(spec));
        }
        drop(now);
        Self(slot)
    }

    /// Goes on with another template, as part of the same evaluation.
    pub(super) fn turn_to(&self, template: Span) {
        lock(&self.0).template = Some(template);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        lock(&self.0).is_running = false;
    }
}

fn register() -> Arc<Mutex<Slot>> {
    let thread = NEXT_THREAD.fetch_add(1, Ordering::Relaxed);
    let slot = Arc::new(Mutex::new(Slot { thread, ..Slot::default() }));
    lock(&THREADS).push(Arc::downgrade(&slot));
    slot
}

/// What a panic leaves behind is still a slot.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock()
}
