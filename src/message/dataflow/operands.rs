//! What is on the two sides of an operator, and what a loop goes over, as far as that is known before any row is read.

use std::ops::Range;

use minijinja::Value;
use minijinja::machinery::ast::{BinOpKind, CallType, CompareOpKind, Expr, UnaryOpKind};

use super::analysis::{Analysis, constant, range};
use super::{Source, Sources};

/// An operator with its two sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::message) struct Operation {
    pub(in crate::message) operator: Operator,
    pub(in crate::message) left: Operand,
    pub(in crate::message) right: Operand,
}

/// One side of an operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::message) struct Operand {
    /// Its bytes in the template.
    pub(in crate::message) range: Range<usize>,
    pub(in crate::message) value: OperandValue,
}

impl Operand {
    /// Where its value comes from.
    pub(in crate::message) fn sources(&self) -> &[Source] {
        if let OperandValue::From(sources) = &self.value { sources } else { &[] }
    }
}

/// What a side of an operator is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::message) enum OperandValue {
    /// A number, whatever the row holds: written out, or the result of `|float`, `|length` and the like.
    Number,
    /// A list of numbers that are written out.
    Numbers,
    /// A list of texts that are written out.
    Texts,
    /// A text that is written out.
    Text(String),
    /// A value of the row or a constant, as it is there or as another text.
    From(Vec<Source>),
    /// Anything else.
    Unknown,
}

/// What an operator does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::message) enum Operator {
    /// `<`, `<=`, `>`, `>=`.
    Order,
    /// `==`, `!=`.
    Equality,
    /// `in`, `not in`.
    Membership,
    /// `+`, which also joins texts.
    Add,
    /// `-`, `*`, `/`, `//`, `%`, `**`.
    Calculate,
}

/// Filters that give a number whatever they are given.
const GIVE_NUMBERS: [&str; 8] = ["abs", "count", "float", "int", "length", "round", "sum", "wordcount"];

/// Filters that give a text for a text, or one of the items that they are given.
const KEEP_TEXTS: [&str; 17] = [
    "capitalize",
    "d",
    "default",
    "e",
    "escape",
    "first",
    "indent",
    "last",
    "lower",
    "replace",
    "safe",
    "string",
    "striptags",
    "title",
    "trim",
    "truncate",
    "upper",
];

/// The same for methods.
const KEEP_TEXTS_METHODS: [&str; 9] =
    ["capitalize", "get", "lower", "lstrip", "replace", "rstrip", "strip", "title", "upper"];

impl<'a> Analysis<'a> {
    pub(super) fn operand(&self, expression: &Expr<'a>) -> Operand {
        Operand { range: range(expression), value: self.value(expression) }
    }

    fn value(&self, expression: &Expr<'a>) -> OperandValue {
        match expression {
            Expr::Const(constant) if constant.value.is_number() => OperandValue::Number,
            Expr::Const(constant) => match constant.value.as_str() {
                Some(text) => OperandValue::Text(text.to_owned()),
                None => OperandValue::Unknown,
            },
            Expr::UnaryOp(operation) if matches!(operation.op, UnaryOpKind::Neg) => OperandValue::Number,
            Expr::Filter(filter) if GIVE_NUMBERS.contains(&filter.name) => OperandValue::Number,
            Expr::Filter(filter) if KEEP_TEXTS.contains(&filter.name) => {
                filter.expr.as_ref().map_or(OperandValue::Unknown, |value| self.value(value))
            }
            Expr::Call(call) => match call.identify_call() {
                CallType::Method(value, name) if KEEP_TEXTS_METHODS.contains(&name) => match name {
                    "get" => from(self.sources(expression)),
                    _ => self.value(value),
                },
                _ => OperandValue::Unknown,
            },
            Expr::Var(_) | Expr::GetAttr(_) | Expr::GetItem(_) | Expr::Slice(_) => from(self.sources(expression)),
            Expr::IfExpr(choice) => {
                let other = choice.false_expr.as_ref().map_or(OperandValue::Unknown, |other| self.value(other));
                either(self.value(&choice.true_expr), other)
            }
            Expr::BinOp(operation) => match operation.op {
                BinOpKind::ScAnd | BinOpKind::ScOr => either(self.value(&operation.left), self.value(&operation.right)),
                BinOpKind::Sub | BinOpKind::Div | BinOpKind::FloorDiv | BinOpKind::Rem | BinOpKind::Pow => {
                    OperandValue::Number
                }
                BinOpKind::Add | BinOpKind::Mul => {
                    let sides = [self.value(&operation.left), self.value(&operation.right)];
                    let are_numbers = sides.iter().all(|side| *side == OperandValue::Number);
                    if are_numbers { OperandValue::Number } else { OperandValue::Unknown }
                }
                _ => OperandValue::Unknown,
            },
            Expr::List(list) => items(&list.items),
            Expr::Tuple(tuple) => items(&tuple.items),
            Expr::UnaryOp(_) | Expr::Filter(_) | Expr::Compare(_) | Expr::Test(_) | Expr::Map(_) => {
                OperandValue::Unknown
            }
        }
    }

    pub(super) fn binary(&mut self, operator: BinOpKind, left: &Expr<'a>, right: &Expr<'a>) {
        let operator = match operator {
            BinOpKind::Lt | BinOpKind::Lte | BinOpKind::Gt | BinOpKind::Gte => Operator::Order,
            BinOpKind::Eq | BinOpKind::Ne => Operator::Equality,
            BinOpKind::In => Operator::Membership,
            BinOpKind::Add => Operator::Add,
            BinOpKind::Sub
            | BinOpKind::Mul
            | BinOpKind::Div
            | BinOpKind::FloorDiv
            | BinOpKind::Rem
            | BinOpKind::Pow => Operator::Calculate,
            BinOpKind::ScAnd | BinOpKind::ScOr | BinOpKind::Concat => return,
        };
        self.operation(operator, left, right);
    }

    pub(super) fn comparison(&mut self, operator: CompareOpKind, left: &Expr<'a>, right: &Expr<'a>) {
        let operator = match operator {
            CompareOpKind::Lt | CompareOpKind::Lte | CompareOpKind::Gt | CompareOpKind::Gte => Operator::Order,
            CompareOpKind::Eq | CompareOpKind::Ne => Operator::Equality,
            CompareOpKind::In | CompareOpKind::NotIn => Operator::Membership,
        };
        self.operation(operator, left, right);
    }

    fn operation(&mut self, operator: Operator, left: &Expr<'a>, right: &Expr<'a>) {
        let (left, right) = (self.operand(left), self.operand(right));
        let is_from_row = |operand: &Operand| matches!(operand.value, OperandValue::From(_));
        if is_from_row(&left) || is_from_row(&right) {
            self.flow.operations.push(Operation { operator, left, right });
        }
    }

    pub(super) fn loop_over(&mut self, expression: &Expr<'a>) {
        let operand = self.operand(expression);
        if matches!(operand.value, OperandValue::From(_)) {
            self.flow.loops.push(operand);
        }
    }
}

fn from(sources: Sources) -> OperandValue {
    if sources.is_empty() { OperandValue::Unknown } else { OperandValue::From(sources.into_iter().collect()) }
}

/// One value or the other: what is known of both.
fn either(one: OperandValue, other: OperandValue) -> OperandValue {
    match (one, other) {
        (OperandValue::From(mut sources), OperandValue::From(more)) => {
            sources.extend(more);
            OperandValue::From(sources)
        }
        (OperandValue::From(sources), _) | (_, OperandValue::From(sources)) => OperandValue::From(sources),
        (one, other) if one == other => one,
        _ => OperandValue::Unknown,
    }
}

fn items(items: &[Expr<'_>]) -> OperandValue {
    let all = |is: fn(&Value) -> bool| items.iter().all(|item| constant(item).is_some_and(|item| is(&item.value)));
    match items {
        [] => OperandValue::Unknown,
        _ if all(Value::is_number) => OperandValue::Numbers,
        _ if all(|value| value.as_str().is_some()) => OperandValue::Texts,
        _ => OperandValue::Unknown,
    }
}
