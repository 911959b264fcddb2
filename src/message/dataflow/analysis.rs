//! The walk through a template's syntax tree that follows values.

use std::collections::BTreeMap;
use std::ops::Range;

use minijinja::machinery::Span;
use minijinja::machinery::ast::{
    BinOpKind, Call, CallArg, CallType, CompareOpKind, Const, Expr, Filter, ForLoop, Macro, Stmt, UnaryOpKind,
};
use minijinja::value::ValueKind;

use super::{Decision, Flow, Source, Sources};
use crate::message::context::WHOLE_ROW;

#[derive(Default)]
pub(super) struct Analysis<'a> {
    /// The template's own variables.
    pub(super) scopes: Vec<BTreeMap<&'a str, Sources>>,
    /// What flows into namespaces, and into the parameters and out of the text of macros.
    shared: BTreeMap<String, Sources>,
    parameters: BTreeMap<&'a str, Vec<&'a str>>,
    /// Branches that are open: what is set there may or may not be.
    branches: u32,
    pub(super) flow: Flow,
}

/// Filters whose result says something else than the text that they are given.
const OTHER_VALUE: [&str; 9] = ["abs", "bool", "count", "float", "int", "length", "round", "sum", "wordcount"];

/// The same for methods.
const OTHER_VALUE_METHODS: [&str; 7] = ["count", "endswith", "find", "index", "rfind", "rindex", "startswith"];

impl<'a> Analysis<'a> {
    fn statements(&mut self, statements: &[Stmt<'a>]) {
        for statement in statements {
            self.statement(statement);
        }
    }

    pub(super) fn statement(&mut self, statement: &Stmt<'a>) {
        match statement {
            Stmt::Template(template) => self.statements(&template.children),
            Stmt::EmitExpr(emitted) => self.visit(&emitted.expr),
            Stmt::ForLoop(each) => self.for_loop(each),
            Stmt::IfCond(branch) => {
                let written = &self.written(&branch.true_body) | &self.written(&branch.false_body);
                self.condition(&branch.expr, &written);
                self.branches += 1;
                self.statements(&branch.true_body);
                self.statements(&branch.false_body);
                self.branches -= 1;
            }
            Stmt::WithBlock(with) => self.scoped(|this| {
                for (target, value) in &with.assignments {
                    this.visit(value);
                    let sources = this.sources(value);
                    this.assign(target, &sources);
                }
                this.statements(&with.body);
            }),
            Stmt::Set(set) => {
                self.visit(&set.expr);
                let sources = self.sources(&set.expr);
                self.assign(&set.target, &sources);
            }
            Stmt::SetBlock(set) => {
                self.scoped(|this| this.statements(&set.body));
                let sources = self.written(&set.body);
                self.assign(&set.target, &sources);
            }
            Stmt::AutoEscape(block) => self.statements(&block.body),
            Stmt::FilterBlock(block) => self.statements(&block.body),
            Stmt::Block(block) => self.statements(&block.body),
            Stmt::Macro(declared) => self.macro_declaration(declared),
            Stmt::CallBlock(block) => {
                self.call(&block.call);
                self.statements(&block.macro_decl.body);
            }
            Stmt::Do(done) => self.call(&done.call),
            Stmt::EmitRaw(_) | Stmt::Import(_) | Stmt::FromImport(_) | Stmt::Extends(_) | Stmt::Include(_) => {}
        }
    }

    fn for_loop(&mut self, each: &ForLoop<'a>) {
        self.visit(&each.iter);
        self.loop_over(&each.iter);
        let sources = self.sources(&each.iter);
        self.scoped(|this| {
            this.assign(&each.target, &sources);
            if let Some(condition) = &each.filter_expr {
                let written = this.written(&each.body);
                this.condition(condition, &written);
            }
            this.statements(&each.body);
        });
        self.statements(&each.else_body);
    }

    fn macro_declaration(&mut self, declared: &Macro<'a>) {
        self.parameters.insert(declared.name, declared.args.iter().filter_map(variable).collect());
        self.scoped(|this| {
            for argument in &declared.args {
                let passed = variable(argument).map(|name| this.shared(&parameter(declared.name, name)));
                this.assign(argument, &passed.unwrap_or_default());
            }
            this.statements(&declared.body);
            let text = this.written(&declared.body);
            this.share(declared.name.to_owned(), &text);
        });
    }

    fn scoped(&mut self, act: impl FnOnce(&mut Self)) {
        self.scopes.push(BTreeMap::new());
        let branches = std::mem::take(&mut self.branches);
        act(self);
        self.branches = branches;
        self.scopes.pop();
    }

    fn assign(&mut self, target: &Expr<'a>, sources: &Sources) {
        match target {
            Expr::Var(var) => {
                let before = if self.branches > 0 { self.variable(var.id) } else { Sources::new() };
                if let Some(scope) = self.scopes.last_mut() {
                    scope.insert(var.id, &before | sources);
                }
            }
            Expr::GetAttr(attribute) => {
                if let Some(namespace) = variable(&attribute.expr) {
                    self.share(namespace.to_owned(), sources);
                }
            }
            Expr::List(list) => list.items.iter().for_each(|item| self.assign(item, sources)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.assign(item, sources)),
            _ => {}
        }
    }

    fn share(&mut self, name: String, sources: &Sources) {
        self.shared.entry(name).or_default().extend(sources.iter().cloned());
    }

    fn shared(&self, name: &str) -> Sources {
        self.shared.get(name).cloned().unwrap_or_default()
    }

    fn is_own(&self, name: &str) -> bool {
        self.scopes.iter().any(|scope| scope.contains_key(name))
    }

    fn is_row(&self, expression: &Expr<'a>) -> bool {
        variable(expression) == Some(WHOLE_ROW) && !self.is_own(WHOLE_ROW)
    }

    fn variable(&self, name: &str) -> Sources {
        let own = self.scopes.iter().rev().find_map(|scope| scope.get(name));
        match own {
            Some(sources) => sources | &self.shared(name),
            None if name == "loop" => Sources::new(),
            None => Sources::from([Source { name: name.to_owned(), key: None }]),
        }
    }

    /// Where the value of an expression comes from, as far as it is still the text from there.
    pub(super) fn sources(&self, expression: &Expr<'a>) -> Sources {
        match expression {
            Expr::Var(var) => self.variable(var.id),
            Expr::Const(_) | Expr::UnaryOp(_) | Expr::Compare(_) | Expr::Test(_) => Sources::new(),
            Expr::Slice(slice) => self.sources(&slice.expr),
            Expr::BinOp(operation) => match operation.op {
                BinOpKind::ScAnd | BinOpKind::ScOr | BinOpKind::Add | BinOpKind::Concat | BinOpKind::Mul => {
                    &self.sources(&operation.left) | &self.sources(&operation.right)
                }
                _ => Sources::new(),
            },
            Expr::IfExpr(choice) => {
                let other = choice.false_expr.as_ref().map(|other| self.sources(other));
                &self.sources(&choice.true_expr) | &other.unwrap_or_default()
            }
            Expr::Filter(filter) if OTHER_VALUE.contains(&filter.name) => Sources::new(),
            Expr::Filter(filter) => {
                let attribute = filter.args.iter().find_map(|argument| match argument {
                    CallArg::Kwarg("attribute", value) => text(value),
                    _ => None,
                });
                let value = filter.expr.as_ref().map(|value| self.sources(value)).unwrap_or_default();
                match attribute {
                    Some(key) if filter.name == "map" => keyed(value, &key),
                    _ => &value | &self.of_arguments(&filter.args),
                }
            }
            Expr::GetAttr(attribute) => self.item(&attribute.expr, Some(attribute.name.to_owned())),
            Expr::GetItem(item) => self.item(&item.expr, text(&item.subscript_expr)),
            Expr::Call(call) => match call.identify_call() {
                CallType::Function(name) => match name {
                    "namespace" | "dict" => self.of_arguments(&call.args),
                    _ => self.shared(name),
                },
                CallType::Method(value, "get") => {
                    let key = call.args.first().and_then(|argument| match argument {
                        CallArg::Pos(key) => text(key),
                        _ => None,
                    });
                    self.item(value, key)
                }
                CallType::Method(_, name) if name.starts_with("is") || OTHER_VALUE_METHODS.contains(&name) => {
                    Sources::new()
                }
                CallType::Method(value, _) => &self.sources(value) | &self.of_arguments(&call.args),
                CallType::Object(_) | CallType::Block(_) => self.of_arguments(&call.args),
            },
            Expr::List(list) => self.of_all(&list.items),
            Expr::Tuple(tuple) => self.of_all(&tuple.items),
            Expr::Map(map) => self.of_all(&map.values),
        }
    }

    fn item(&self, of: &Expr<'a>, key: Option<String>) -> Sources {
        match key {
            Some(name) if self.is_row(of) => Sources::from([Source { name, key: None }]),
            Some(key) => keyed(self.sources(of), &key),
            None => self.sources(of),
        }
    }

    fn of_all(&self, expressions: &[Expr<'a>]) -> Sources {
        expressions.iter().flat_map(|expression| self.sources(expression)).collect()
    }

    fn of_arguments(&self, arguments: &[CallArg<'a>]) -> Sources {
        arguments.iter().flat_map(|argument| self.sources(value(argument))).collect()
    }

    /// What statements write or keep for later.
    fn written(&mut self, statements: &[Stmt<'a>]) -> Sources {
        let mut written = Sources::new();
        for statement in statements {
            written.extend(match statement {
                Stmt::EmitExpr(emitted) => self.sources(&emitted.expr),
                Stmt::Set(set) => self.sources(&set.expr),
                Stmt::ForLoop(each) => {
                    let sources = self.sources(&each.iter);
                    self.scopes.push(BTreeMap::new());
                    self.assign(&each.target, &sources);
                    let body = &self.written(&each.body) | &self.written(&each.else_body);
                    self.scopes.pop();
                    body
                }
                Stmt::IfCond(branch) => &self.written(&branch.true_body) | &self.written(&branch.false_body),
                Stmt::WithBlock(with) => self.written(&with.body),
                Stmt::SetBlock(set) => self.written(&set.body),
                Stmt::AutoEscape(block) => self.written(&block.body),
                Stmt::FilterBlock(block) => self.written(&block.body),
                Stmt::CallBlock(block) => self.written(&block.macro_decl.body),
                _ => Sources::new(),
            });
        }
        written
    }

    /// A condition. `written` is what depends on it and is written.
    fn condition(&mut self, expression: &Expr<'a>, written: &Sources) {
        match expression {
            Expr::UnaryOp(operation) if matches!(operation.op, UnaryOpKind::Not) => {
                self.condition(&operation.expr, written);
            }
            Expr::BinOp(operation) if matches!(operation.op, BinOpKind::ScAnd | BinOpKind::ScOr) => {
                self.condition(&operation.left, written);
                self.condition(&operation.right, written);
            }
            Expr::IfExpr(choice) => {
                self.condition(&choice.test_expr, written);
                self.condition(&choice.true_expr, written);
                choice.false_expr.iter().for_each(|other| self.condition(other, written));
            }
            _ => {
                self.visit(expression);
                if !self.is_row(expression) {
                    self.decide(expression, self.sources(expression), |source| written.contains(source));
                }
            }
        }
    }

    fn decide(&mut self, at: &Expr<'a>, sources: Sources, is_written: impl Fn(&Source) -> bool) {
        let range = range(at);
        let new = sources.into_iter().map(|source| Decision {
            is_written: is_written(&source),
            range: range.clone(),
            source,
        });
        self.flow.decisions.extend(new);
    }

    /// Looks for conditions inside an expression whose value is none itself.
    fn visit(&mut self, expression: &Expr<'a>) {
        match expression {
            Expr::Var(_) | Expr::Const(_) => {}
            Expr::Slice(slice) => {
                self.visit(&slice.expr);
                [&slice.start, &slice.stop, &slice.step].into_iter().flatten().for_each(|part| self.visit(part));
            }
            Expr::UnaryOp(operation) if matches!(operation.op, UnaryOpKind::Not) => {
                self.condition(&operation.expr, &Sources::new());
            }
            Expr::UnaryOp(operation) => self.visit(&operation.expr),
            Expr::BinOp(operation) => {
                if matches!(operation.op, BinOpKind::ScAnd) {
                    let written = self.sources(&operation.right);
                    self.condition(&operation.left, &written);
                } else {
                    self.visit(&operation.left);
                }
                self.visit(&operation.right);
                self.binary(operation.op, &operation.left, &operation.right);
                if matches!(operation.op, BinOpKind::Eq | BinOpKind::Ne) {
                    self.compare(&operation.left, &operation.right);
                }
            }
            Expr::Compare(comparison) => {
                self.visit(&comparison.expr);
                let mut left = &comparison.expr;
                for operation in &comparison.ops {
                    self.visit(&operation.expr);
                    self.comparison(operation.op, left, &operation.expr);
                    if matches!(operation.op, CompareOpKind::Eq | CompareOpKind::Ne) {
                        self.compare(left, &operation.expr);
                    }
                    left = &operation.expr;
                }
            }
            Expr::IfExpr(choice) => {
                let other = choice.false_expr.as_ref().map(|other| self.sources(other)).unwrap_or_default();
                let written = &self.sources(&choice.true_expr) | &other;
                self.condition(&choice.test_expr, &written);
                self.visit(&choice.true_expr);
                choice.false_expr.iter().for_each(|other| self.visit(other));
            }
            Expr::Filter(filter) => self.filter(filter),
            Expr::Test(test) => {
                self.visit(&test.expr);
                self.arguments(&test.args);
                if matches!(test.name, "true" | "false") {
                    self.decide(&test.expr, self.sources(&test.expr), |_| false);
                }
            }
            Expr::GetAttr(attribute) => self.visit(&attribute.expr),
            Expr::GetItem(item) => {
                self.visit(&item.expr);
                self.visit(&item.subscript_expr);
            }
            Expr::Call(call) => self.call(call),
            Expr::List(list) => list.items.iter().for_each(|item| self.visit(item)),
            Expr::Tuple(tuple) => tuple.items.iter().for_each(|item| self.visit(item)),
            Expr::Map(map) => map.keys.iter().chain(&map.values).for_each(|item| self.visit(item)),
        }
    }

    /// `vip == true` is true for no text.
    fn compare(&mut self, left: &Expr<'a>, right: &Expr<'a>) {
        for (one, other) in [(left, right), (right, left)] {
            if constant(other).is_some_and(|constant| constant.value.kind() == ValueKind::Bool) {
                self.decide(one, self.sources(one), |_| false);
            }
        }
    }

    fn filter(&mut self, filter: &Filter<'a>) {
        self.arguments(&filter.args);
        let Some(value) = &filter.expr else { return };
        self.visit(value);
        let sources = self.sources(value);
        match (filter.name, filter.args.as_slice()) {
            ("select" | "reject", []) => self.decide(value, sources, |_| filter.name == "select"),
            ("selectattr" | "rejectattr", [CallArg::Pos(key)]) => {
                let key = text(key).unwrap_or_default();
                self.decide(value, keyed(sources, &key), |_| false);
            }
            _ => {}
        }
    }

    fn call(&mut self, call: &Call<'a>) {
        if let CallType::Method(value, _) = call.identify_call() {
            self.visit(value);
        }
        self.arguments(&call.args);
        let CallType::Function(name) = call.identify_call() else { return };
        let parameters = self.parameters.get(name).cloned().unwrap_or_default();
        for (at, argument) in call.args.iter().enumerate() {
            let to = match argument {
                CallArg::Pos(_) => parameters.get(at).copied(),
                CallArg::Kwarg(name, _) => Some(*name),
                CallArg::PosSplat(_) | CallArg::KwargSplat(_) => None,
            };
            if let Some(to) = to {
                let sources = self.sources(value(argument));
                self.share(parameter(name, to), &sources);
            }
        }
    }

    fn arguments(&mut self, arguments: &[CallArg<'a>]) {
        for argument in arguments {
            self.visit(value(argument));
        }
    }
}

fn value<'e, 'a>(argument: &'e CallArg<'a>) -> &'e Expr<'a> {
    match argument {
        CallArg::Pos(value) | CallArg::Kwarg(_, value) | CallArg::PosSplat(value) | CallArg::KwargSplat(value) => value,
    }
}

fn variable<'a>(expression: &Expr<'a>) -> Option<&'a str> {
    if let Expr::Var(var) = expression { Some(var.id) } else { None }
}

pub(super) fn constant<'e>(expression: &'e Expr<'_>) -> Option<&'e Const> {
    if let Expr::Const(constant) = expression { Some(constant) } else { None }
}

fn text(expression: &Expr<'_>) -> Option<String> {
    constant(expression)?.value.as_str().map(str::to_owned)
}

fn keyed(sources: Sources, key: &str) -> Sources {
    sources.into_iter().map(|source| Source { key: Some(key.to_owned()), ..source }).collect()
}

fn parameter(declared: &str, name: &str) -> String {
    format!("{declared}({name})")
}

/// The bytes of an expression; the engine's span of a filter is its name.
pub(super) fn range(expression: &Expr<'_>) -> Range<usize> {
    let own = bytes(expression.span());
    match expression {
        Expr::Filter(filter) => filter.expr.as_ref().map_or(own.start, |inner| range(inner).start)..own.end,
        _ => own,
    }
}

fn bytes(span: Span) -> Range<usize> {
    span.start_offset as usize..span.end_offset as usize
}
