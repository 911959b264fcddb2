//! `MÃ¼ller`: UTF-8 that somebody has read as Latin-1 and saved again.

use memchr::{memchr_iter, memmem};

use crate::problem::{Place, Problem};

/// Where such text was seen.
#[derive(Debug, Default)]
pub(super) struct Mojibake {
    count: u64,
    first_line: u64,
}

impl Mojibake {
    /// Looks through UTF-8 text that begins after so many lines. What is cut between two texts is not seen: one place
    /// of many is enough to tell.
    pub(super) fn look_at(&mut self, text: &[u8], lines: u64) {
        // `Ã` before a character from U+0080 to U+00BF, and `â€`: no language writes them.
        for pattern in [&b"\xc3\x83\xc2"[..], b"\xc3\xa2\xe2\x82\xac"] {
            for at in memmem::find_iter(text, pattern) {
                let line = || lines + memchr_iter(b'\n', &text[..at]).count() as u64 + 1;
                self.first_line = if self.count == 0 { line() } else { self.first_line };
                self.count += 1;
            }
        }
    }

    pub(super) fn warning(&self, file: &str) -> Option<Problem> {
        let places = match self.count {
            0 => return None,
            1 => "1 place".to_owned(),
            count => format!("{count} places"),
        };
        let what = format!("{places} from this line on with letters like `Ã¼` and `â€`: text that was damaged earlier");
        let hint = "this is UTF-8 that was read as windows-1252 and saved again: export the list again as UTF-8";
        Some(Problem::warning("mojibake", Place::line(file, self.first_line), what).hint(hint))
    }
}
