//! Templates that only put columns into a text. Most values of most campaigns are such, and are put together here: that
//! the engine gives the same is tested, and it takes ten times as long.

use minijinja::machinery::ast::{Expr, Stmt};
use minijinja::machinery::parse;
use minijinja::syntax::SyntaxConfig;

use super::context::WHOLE_ROW;
use crate::recipients::Row;

/// A template without filters, conditions and the like.
#[derive(Debug)]
pub(super) struct Interpolation {
    pieces: Vec<Piece>,
    /// Bytes that most of its texts need at most.
    capacity: usize,
}

/// Bytes of a cell that is not very long.
const CELL: usize = 24;

#[derive(Debug)]
enum Piece {
    Text(String),
    Column(String),
}

impl Interpolation {
    /// `None` if there is more to the template than text and columns.
    pub(super) fn of(source: &str) -> Option<Self> {
        let Ok(Stmt::Template(template)) = parse(source, "", SyntaxConfig::default()) else { return None };
        let pieces = template.children.iter().map(Piece::of).collect::<Option<Vec<_>>>()?;
        let capacity = pieces.iter().map(|piece| if let Piece::Text(text) = piece { text.len() } else { CELL }).sum();
        Some(Self { pieces, capacity })
    }

    /// The columns that are put into the text.
    pub(super) fn columns(&self) -> impl Iterator<Item = &str> {
        self.pieces.iter().filter_map(|piece| if let Piece::Column(name) = piece { Some(name.as_str()) } else { None })
    }

    /// The text for a row; `None` if one of the columns is not there or holds no text, of which the engine knows what to
    /// make.
    pub(super) fn text(&self, row: &Row) -> Option<String> {
        let mut text = String::with_capacity(self.capacity);
        for piece in &self.pieces {
            text.push_str(piece.text(row)?);
        }
        Some(text)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use minijinja::{Environment, Value};

    use super::Interpolation;
    use crate::recipients::{Columns, Row};

    const SPECIAL: &str = "{{ '{{' }} \"\\\"<&>'\n\n";

    fn row() -> Row {
        let names = ["name", "self", "true", "row", "age", "gone"].map(str::to_owned).to_vec();
        let cells = [SPECIAL.into(), "me".into(), "yes".into(), "all".into(), 7.into(), serde_json::Value::Null];
        Row::new(2, Arc::new(Columns::new(names)), cells.into())
    }

    #[test]
    fn what_is_put_together_is_what_the_engine_gives() {
        let row = row();
        let variables = Value::from_pairs([("name", SPECIAL), ("self", "me")]);
        for source in [
            "",
            "no column\n",
            "two line breaks\n\n",
            "{{name}}",
            "{{ name }}\n",
            "a {{- name -}}\n b {{ self }}{# a remark #}\r\n",
            "{% raw %}{{ name }}{% endraw %}{{ name }}",
            "{ {{ name }} }",
        ] {
            let plain = Interpolation::of(source).and_then(|plain| plain.text(&row));
            assert_eq!(plain, Environment::new().render_str(source, &variables).ok(), "{source:?}");
            assert!(plain.is_some(), "{source:?}");
        }
    }

    #[test]
    fn what_is_more_than_text_is_left_to_the_engine() {
        for source in [
            "{{ name|upper }}",
            "{{ name.age }}",
            "{% if name %}x{% endif %}",
            "{% set name = 'x' %}{{ name }}",
            "{{ true }}",
            "{{ 'name' }}",
            "{{ row }}",
            "{{ age }}",
            "{{ gone }}",
            "{{ nowhere }}",
            "{{ name",
        ] {
            assert_eq!(Interpolation::of(source).and_then(|plain| plain.text(&row())), None, "{source:?}");
        }
    }
}
