//! Templates that only put columns into a text. Most values of most campaigns are such, and are put together here: that
//! the engine gives the same is tested, and it takes ten times as long.

use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::machinery::parse;
use minijinja::syntax::SyntaxConfig;

use super::template::WHOLE_ROW;
use crate::recipients::Row;

/// A template without filters, conditions and the like.
#[derive(Debug)]
pub(super) struct Plain(Vec<Piece>);

#[derive(Debug)]
enum Piece {
    Text(String),
    Column(String),
}

impl Plain {
    /// `None` if there is more to the template than text and columns.
    pub(super) fn of(source: &str) -> Option<Self> {
        let Ok(Stmt::Template(template)) = parse(source, "", SyntaxConfig::default()) else { return None };
        template.children.iter().map(Piece::of).collect::<Option<_>>().map(Self)
    }

    /// The text for a row; `None` if one of the columns is not there or holds no text, of which the engine knows what to
    /// make.
    pub(super) fn text(&self, row: &Row) -> Option<String> {
        self.0.iter().map(|piece| piece.text(row)).collect()
    }
}

impl Piece {
    fn of(part: &Stmt<'_>) -> Option<Self> {
        match part {
            Stmt::EmitRaw(text) => Some(Self::Text(text.raw.to_owned())),
            Stmt::EmitExpr(expression) => match &expression.expr {
                Expr::Var(column) if column.id != WHOLE_ROW => Some(Self::Column(column.id.to_owned())),
                _ => None,
            },
            _ => None,
        }
    }

    fn text<'a>(&'a self, row: &'a Row) -> Option<&'a str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Column(name) => row.get(name)?.as_str(),
        }
    }
}
