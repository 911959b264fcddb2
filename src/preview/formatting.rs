//! WhatsApp's own marks in a text: `*bold*`, `_italic_`, `~strike~`, and three backticks on either side of monospace.
//!
//! A mark counts where it is at the border of a word and touches what it marks, within one line; monospace may go
//! over several. Inside of monospace and of links nothing is a mark.

use std::ops::Range;

use serde::Serialize;

/// Longer than any message of WhatsApp, so that a text full of opening marks is still read quickly.
const MAX_DISTANCE: usize = 8_192;

const MONOSPACE: &str = "```";

/// A part of a text that looks the same throughout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Piece<'a> {
    text: &'a str,
    #[serde(flatten)]
    style: Style,
    link: bool,
}

/// How a part looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a separate mark, and they combine")]
struct Style {
    bold: bool,
    italic: bool,
    strike: bool,
    monospace: bool,
}

impl Style {
    /// The style inside of this mark; `None` if it is no mark, or one that counts already.
    fn within(self, mark: char) -> Option<Self> {
        match mark {
            '*' if !self.bold => Some(Self { bold: true, ..self }),
            '_' if !self.italic => Some(Self { italic: true, ..self }),
            '~' if !self.strike => Some(Self { strike: true, ..self }),
            _ => None,
        }
    }
}

/// Takes a text apart.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut reader = Reader { text, links: links(text), pieces: Vec::new() };
    reader.read(0..text.len(), Style::default());
    reader.pieces
}

/// A passage between two marks.
struct Passage {
    inside: Range<usize>,
    end: usize,
    style: Style,
}

struct Reader<'a> {
    text: &'a str,
    /// In their order.
    links: Vec<Range<usize>>,
    pieces: Vec<Piece<'a>>,
}

impl Reader<'_> {
    fn read(&mut self, range: Range<usize>, style: Style) {
        let (mut plain, mut at) = (range.start, range.start);
        while at < range.end {
            if let Some(link) = self.link(at) {
                self.push(plain..at, style, false);
                self.push(link.clone(), style, true);
                (plain, at) = (link.end, link.end);
            } else if let Some(passage) = self.passage(at, range.end, style) {
                self.push(plain..at, style, false);
                if passage.style.monospace {
                    self.push(passage.inside, passage.style, false);
                } else {
                    self.read(passage.inside, passage.style);
                }
                (plain, at) = (passage.end, passage.end);
            } else {
                at += self.text[at..].chars().next().map_or(1, char::len_utf8);
            }
        }
        self.push(plain..range.end, style, false);
    }

    fn push(&mut self, range: Range<usize>, style: Style, link: bool) {
        if !range.is_empty() {
            self.pieces.push(Piece { text: &self.text[range], style, link });
        }
    }

    /// The link that a place is in.
    fn link(&self, at: usize) -> Option<Range<usize>> {
        let next = self.links.partition_point(|link| link.end <= at);
        self.links.get(next).filter(|link| link.contains(&at)).cloned()
    }

    /// The passage whose opening mark is at a place.
    fn passage(&self, at: usize, end: usize, style: Style) -> Option<Passage> {
        let rest = &self.text[at..end];
        let rest = &rest[..rest.floor_char_boundary(MAX_DISTANCE)];
        if let Some(rest) = rest.strip_prefix(MONOSPACE) {
            let length = rest.find(MONOSPACE).filter(|length| !rest[..*length].trim().is_empty())?;
            let inside = at + MONOSPACE.len()..at + MONOSPACE.len() + length;
            return Some(Passage {
                end: inside.end + MONOSPACE.len(),
                inside,
                style: Style { monospace: true, ..style },
            });
        }
        let mark = rest.chars().next()?;
        let style = style.within(mark).filter(|_| self.opens(at, mark))?;
        let line = rest.split('\n').next()?;
        let close = line.match_indices(mark).skip(1).map(|(close, _)| at + close).find(|close| self.closes(*close))?;
        Some(Passage { inside: at + 1..close, end: close + 1, style })
    }

    /// Whether a mark may open: no word before it, and something right after it.
    fn opens(&self, at: usize, mark: char) -> bool {
        let next = self.text[at + 1..].chars().next();
        !self.text[..at].ends_with(char::is_alphanumeric) && next.is_some_and(|c| !c.is_whitespace() && c != mark)
    }

    /// Whether a mark may close: something right before it, and no word after it.
    fn closes(&self, at: usize) -> bool {
        !self.text[..at].ends_with(char::is_whitespace)
            && !self.text[at + 1..].starts_with(char::is_alphanumeric)
            && self.link(at).is_none()
    }
}

/// Where the text has links.
fn links(text: &str) -> Vec<Range<usize>> {
    let mut links = Vec::new();
    let mut start = 0;
    for word in text.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '`' | '<' | '>' | '"')) {
        let begin = ["https://", "http://", "www."].iter().filter_map(|beginning| word.find(beginning)).min();
        if let Some(begin) = begin {
            let address = word[begin..].trim_end_matches(ends_a_link);
            links.extend(address.contains('.').then(|| start + begin..start + begin + address.len()));
        }
        start += word.len();
    }
    links
}

/// White space, quotes and punctuation after a link belong to the sentence, and marks to the text.
fn ends_a_link(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '`' | '<' | '>' | '"' | '\'' | '*' | '_' | '~' | '.' | ',' | ';' | ':' | '!' | '?' | ')' | ']')
}

#[cfg(test)]
mod tests {
    use super::{Piece, pieces};

    /// The pieces as a text with tags, so that a claim can be read.
    fn drawn(text: &str) -> String {
        let drawn = |piece: &Piece<'_>| {
            let style = piece.style;
            let tags = [
                (style.bold, 'b'),
                (style.italic, 'i'),
                (style.strike, 's'),
                (style.monospace, 'm'),
                (piece.link, 'a'),
            ];
            let tags: String = tags.iter().filter(|(on, _)| *on).map(|(_, tag)| *tag).collect();
            if tags.is_empty() { piece.text.to_owned() } else { format!("[{tags} {}]", piece.text) }
        };
        pieces(text).iter().map(drawn).collect()
    }

    #[test]
    fn each_mark_has_its_look() {
        assert_eq!(drawn("*a* _b_ ~c~ ```d```"), "[b a] [i b] [s c] [m d]");
        assert_eq!(drawn("Hi *Jürgen Müller*!"), "Hi [b Jürgen Müller]!");
        assert_eq!(drawn("(*a*), \"_b_\"."), "([b a]), \"[i b]\".");
    }

    #[test]
    fn marks_combine() {
        assert_eq!(drawn("*a _b_ ~c~*"), "[b a ][bi b][b  ][bs c]");
        assert_eq!(drawn("_*a*_"), "[bi a]");
        assert_eq!(drawn("*a ```b```*"), "[b a ][bm b]");
    }

    #[test]
    fn a_mark_inside_of_a_word_is_a_letter_like_others() {
        for text in ["snake_case_name", "2*3*4", "a*b* c", "*a*b", "3 * 4 * 5", "* a *", "*a *", "**", "__", "* *", "~"]
        {
            assert_eq!(drawn(text), text);
        }
        assert_eq!(drawn("*2*3*"), "[b 2*3]");
    }

    #[test]
    fn a_mark_closes_on_its_own_line() {
        assert_eq!(drawn("*a\nb*"), "*a\nb*");
        assert_eq!(drawn("*a*\n*b*"), "[b a]\n[b b]");
        assert_eq!(drawn("```a\n  b```"), "[m a\n  b]");
    }

    #[test]
    fn nothing_is_a_mark_inside_of_monospace_and_links() {
        assert_eq!(drawn("```*a* _b_```"), "[m *a* _b_]");
        assert_eq!(drawn("https://example.com/_a_/*b*c ~d~"), "[a https://example.com/_a_/*b*c] [s d]");
        assert_eq!(drawn("*see https://example.com/a*"), "[b see ][ba https://example.com/a]");
    }

    #[test]
    fn a_link_ends_before_the_punctuation_of_its_sentence() {
        assert_eq!(drawn("(see www.example.com)."), "(see [a www.example.com]).");
        assert_eq!(drawn("at https://example.com/a?b=c, or"), "at [a https://example.com/a?b=c], or");
        assert_eq!(drawn("於https://example.com/路徑 見"), "於[a https://example.com/路徑] 見");
    }

    #[test]
    fn no_letter_is_lost_and_a_text_full_of_marks_is_read_quickly() {
        for text in ["", "مرحبا *يا* ", "👩‍👩‍👧 *👍*", &" *a _b ~c ```d".repeat(10_000), &"*".repeat(100_000)]
        {
            let kept: String = pieces(text).iter().map(|piece| piece.text).collect();
            let marks = |text: &str| text.chars().filter(|c| !matches!(c, '*' | '_' | '~' | '`')).collect::<String>();
            assert_eq!(marks(&kept), marks(text));
        }
    }
}
