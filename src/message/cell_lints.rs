//! What no cell should hold that a message is made from: what programs leave behind where a value was meant.

use serde_json::Value;

use super::Templates;
use crate::problem::{Place, Problem};
use crate::recipients::{Row, is_invisible};

/// What programs write where there is no value. `\N` is what some databases write, `#NV` German Excel.
const STAND_INS: [&str; 11] = ["NULL", "null", "\\N", "None", "nan", "NaN", "undefined", "N/A", "n/a", "#N/A", "#NV"];

/// HTML's names of characters that programs write most.
const ENTITIES: [&str; 6] = ["amp", "quot", "lt", "gt", "nbsp", "apos"];

/// The longest name of a character that is looked for.
const MAX_ENTITY_LENGTH: usize = 7;

/// A kind of damage: its code, what the cell holds, and how to mend it.
type Damage = (&'static str, &'static str, &'static str);

const STAND_IN: Damage = (
    "stand-in",
    "looks like an error value, such as `#N/A` or `NULL`",
    "fill in the cell, or skip such rows with `recipients.where`",
);
const EMPTY: Damage = (
    "empty-in-content",
    "is empty, and the text has no default for it",
    "fill in the cell, or add a default: `{{ column or 'friend' }}`",
);
const NESTED: Damage = (
    "list-or-object",
    "contains a list or an object, which would be sent with its brackets and quotes",
    "use one of its values, or join them: `{{ column | join(', ') }}`",
);
const LOST_LETTER: Damage = (
    "lost-letter",
    "contains `\u{fffd}`, the sign for a character that was lost",
    "the list was damaged earlier: export it again as UTF-8",
);
const ENTITY: Damage = (
    "html-entity",
    "contains HTML such as `&amp;`, which would be sent as it is",
    "export the list as text, not as HTML",
);
const ESCAPE: Damage = (
    "escape",
    "contains `\\n` or similar as plain characters, which would be sent as they are",
    "export the list with real line breaks, or remove them: `{{ column | replace('\\\\n', ' ') }}`",
);
const CONTROL: Damage =
    ("control-character", "contains a control character", "the list was damaged earlier: export it again");

impl Templates {
    /// What looks damaged in those cells of a row that its message is made from.
    pub fn damage(&self, row: &Row, list: &str) -> Vec<Problem> {
        let cells = self.columns.iter().filter_map(|column| Some((column, row.get(column)?)));
        let found = cells.filter_map(|(column, cell)| Some((column, self.damage_of(column, cell)?)));
        found
            .map(|(column, (code, what, hint))| {
                let place = Place::line(list, row.line).in_field(Some(column.clone()));
                Problem::warning(code, place, format!("column `{column}` {what}")).hint(hint)
            })
            .collect()
    }

    fn damage_of(&self, column: &str, cell: &Value) -> Option<Damage> {
        match cell {
            Value::String(text) if text.trim_matches(is_invisible).is_empty() => {
                self.is_put_into_content(column).then_some(EMPTY)
            }
            Value::String(text) => damage(text),
            Value::Array(_) | Value::Object(_) => self.is_put_into_a_text(column).then_some(NESTED),
            _ => None,
        }
    }
}

/// The first kind of damage in a cell. Most have none, and are looked through once.
fn damage(text: &str) -> Option<Damage> {
    if is_stand_in(text.trim()) {
        return Some(STAND_IN);
    }
    let is_control = |byte: u8| byte < b' ' && !matches!(byte, b'\n' | b'\r' | b'\t') || byte == 0x7f;
    if !text.bytes().any(|byte| matches!(byte, b'&' | b'\\' | 0xef) || is_control(byte)) {
        return None;
    }
    let kinds = [
        (text.contains('\u{fffd}'), LOST_LETTER),
        (text.bytes().any(is_control), CONTROL),
        (has_entity(text), ENTITY),
        (["\\n", "\\r", "\\t", "\\u00"].iter().any(|escape| text.contains(escape)), ESCAPE),
    ];
    kinds.into_iter().find_map(|(found, damage)| found.then_some(damage))
}

fn is_stand_in(text: &str) -> bool {
    STAND_INS.contains(&text) || is_excel_error(text)
}

/// `#REF!`, `#DIV/0!`, `#NAME?` in Excel's languages, and `####` for what was too wide for its column.
fn is_excel_error(text: &str) -> bool {
    let Some(word) = text.strip_prefix('#') else { return false };
    let name = word.strip_suffix(['!', '?']).unwrap_or_default();
    let is_name = name.len() > 2 && name.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'/' | b'0'));
    is_name || word.len() > 2 && word.bytes().all(|byte| byte == b'#')
}

fn has_entity(text: &str) -> bool {
    text.split('&').skip(1).any(|behind| {
        let name = behind.split_once(';').map_or("", |(name, _)| name);
        let number = name.strip_prefix('#').map(|number| number.trim_start_matches('x'));
        let is_number =
            number.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()));
        name.len() <= MAX_ENTITY_LENGTH && (is_number || ENTITIES.contains(&name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_leave_behind_is_known() {
        for (text, code) in [
            ("NULL", "stand-in"),
            (" #N/A ", "stand-in"),
            ("#BEZUG!", "stand-in"),
            ("#NAME?", "stand-in"),
            ("########", "stand-in"),
            ("M\u{fffd}ller", "lost-letter"),
            ("Tom &amp; Co", "html-entity"),
            ("O&#39;Neill", "html-entity"),
            ("one\\ntwo", "escape"),
            ("A\u{1}da", "control-character"),
        ] {
            assert_eq!(damage(text).map(|(code, ..)| code), Some(code), "{text}");
        }
    }

    #[test]
    fn what_people_write_is_no_damage() {
        for text in [
            "",
            "Null",
            "Nan",
            "Noneman",
            "#1",
            "#1!",
            "#YO",
            "Tom & Co; Sons",
            "a&b=c",
            "one\ntwo",
            "王小明",
            "C:\\Temp",
        ] {
            assert_eq!(damage(text), None, "{text}");
        }
    }
}
