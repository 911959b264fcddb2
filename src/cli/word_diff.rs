//! What has changed in a text, word by word, as `git diff --word-diff` shows it: `Your [-parcel-]{+letter+} is here`.

use similar::{DiffTag, TextDiff};

use crate::humanize::shortened;
use crate::report::visible;

/// Characters of what has not changed that are shown before and after what has.
const CONTEXT: usize = 30;

/// Characters of one change that are shown at most.
const MAX_LENGTH: usize = 200;

/// Texts that have less in common are shown as one in place of the other: between words that are the same by chance
/// nobody reads a change.
const IN_COMMON: f32 = 0.3;

/// A stretch of both texts.
struct Segment {
    was: String,
    now: String,
    is_same: bool,
}

/// The new text with what it replaces.
pub(super) fn word_diff(was: &str, now: &str) -> String {
    let diff = TextDiff::from_words(was, now);
    if diff.ratio() < IN_COMMON {
        return changed(was, now);
    }
    let mut stretches: Vec<Segment> = Vec::new();
    for op in diff.ops() {
        let was: String = diff.old_slices()[op.old_range()].concat();
        let now: String = diff.new_slices()[op.new_range()].concat();
        // A blank between two changes is part of both.
        let is_same = op.tag() == DiffTag::Equal && (stretches.is_empty() || !now.trim().is_empty());
        match stretches.last_mut() {
            Some(last) if last.is_same == is_same => {
                last.was.push_str(&was);
                last.now.push_str(&now);
            }
            _ => stretches.push(Segment { was, now, is_same }),
        }
    }
    let last = stretches.len().saturating_sub(1);
    let show = |(at, stretch): (usize, &Segment)| {
        if stretch.is_same { unchanged(&stretch.now, at == 0, at == last) } else { changed(&stretch.was, &stretch.now) }
    };
    stretches.iter().enumerate().map(show).collect()
}

fn changed(was: &str, now: &str) -> String {
    let part = |open: &str, text: &str, close: &str| match text {
        "" => String::new(),
        _ => format!("{open}{}{close}", one_line(&shortened(text, MAX_LENGTH))),
    };
    part("[-", was, "-]") + &part("{+", now, "+}")
}

/// What has not changed, without its middle, or without the end that no change is at.
fn unchanged(text: &str, is_first: bool, is_last: bool) -> String {
    let count = text.chars().count();
    let (before, after) = (if is_first { 0 } else { CONTEXT }, if is_last { 0 } else { CONTEXT });
    if count <= 2 * CONTEXT {
        return one_line(text);
    }
    let head: String = text.chars().take(before).collect();
    let tail: String = text.chars().skip(count - after).collect();
    format!("{}…{}", one_line(&head), one_line(&tail))
}

/// A text on one line, with all that a terminal would not show as it is written out.
fn one_line(text: &str) -> String {
    visible(text).replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::word_diff;

    #[test]
    fn changed_words_are_shown_between_those_that_stay() {
        let was = "Hi {{ name }}, your parcel is here.";
        assert_eq!(
            word_diff(was, "Hi {{ name }}, your letter is here."),
            "Hi {{ name }}, your [-parcel-]{+letter+} is here."
        );
        assert_eq!(
            word_diff(was, "Hi {{ name }}, your parcel is here. Bye"),
            "Hi {{ name }}, your parcel is here.{+ Bye+}"
        );
        assert_eq!(word_diff("a b c d e", "a x y d e"), "a [-b c-]{+x y+} d e");
    }

    #[test]
    fn another_text_replaces_the_old_one() {
        assert_eq!(word_diff("Hello", "Goodbye"), "[-Hello-]{+Goodbye+}");
        assert_eq!(word_diff("", "new"), "{+new+}");
        assert_eq!(word_diff("one\ntwo\u{1b}[2J", "three"), "[-one\\ntwo\\u{1b}[2J-]{+three+}");
    }

    #[test]
    fn long_texts_show_what_is_near_the_change() {
        let was = format!("{}old {}", "before ".repeat(20), "after ".repeat(20));
        let shown = word_diff(&was, &was.replace("old", "new"));
        assert!(
            shown.starts_with('…') && shown.ends_with('…') && shown.contains("before [-old-]{+new+} after"),
            "{shown}"
        );
        assert!(shown.len() < 100, "{shown}");
    }
}
