//! A template is compiled and rendered for a row, or refused; and what is rendered is bounded.
//!
//! Templates nest as deeply as the program's threads can take, which is more than libFuzzer's own thread can.
#![no_main]

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use campaign::message::{STACK, Templates};
use campaign::recipients::{Columns, Row};
use campaign::specification::{Source, Spec};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

/// A message's text is far smaller.
const MAX_SIZE: usize = 1024 * 1024;

fuzz_target!(|template: &str| {
    thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || compile_and_render(template));
        thread.expect("the system gives a thread").join().expect("a panic ends the process");
    });
});

fn compile_and_render(template: &str) {
    let text = format!(
        "name: c\nrecipients: l.csv\nto: {{ conversation_id: \"101\" }}\nmessage: {{ content: {} }}\n",
        Value::from(template)
    );
    let source = Source { name: "campaign.yaml".to_owned(), text };
    let Ok(spec) = Spec::parse(&source, PathBuf::new(), &[]) else { return };
    let columns = Arc::new(Columns::new(vec!["name".to_owned(), "First Name".to_owned(), "total".to_owned()]));
    let cells: Arc<[Value]> = [Value::from("Ada"), Value::from(""), Value::from("19.90")].into();
    let row = Row::new(2, Arc::clone(&columns), cells);
    let Ok(templates) = Templates::compile(Arc::new(spec), Some(&columns), "l.csv") else { return };
    if let Ok(delivery) = templates.render(&row, "l.csv") {
        assert!(delivery.message.content.is_none_or(|content| content.len() <= MAX_SIZE));
    }
}
