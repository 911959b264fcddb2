//! What is between the fields of a CSV list.

/// Rows that are looked at.
const ROWS: usize = 50;

const CANDIDATES: [u8; 4] = [b',', b';', b'\t', b'|'];

/// The candidate that divides the header, and most of the rows into as many fields as the header. `whole` says whether
/// the beginning is all there is.
pub(super) fn detect(beginning: &str) -> u8 {
    // The last line may be cut.
    let whole_lines = beginning.rfind('\n').map_or(beginning, |end| &beginning[..=end]);
    let fits = CANDIDATES.into_iter().filter_map(|delimiter| Some((fit(whole_lines, delimiter)?, delimiter)));
    // The last of equals wins, so a comma comes last.
    fits.rev().max_by_key(|(fit, _)| *fit).map_or(b',', |(_, delimiter)| delimiter)
}

/// How many of a hundred rows are as wide as the header, and how wide that is; `None` for a header of one column.
fn fit(text: &str, delimiter: u8) -> Option<(usize, usize)> {
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(text.as_bytes());
    let mut record = csv::ByteRecord::new();
    let (mut width, mut rows, mut agree) = (None, 0, 0);
    while rows < ROWS && reader.read_byte_record(&mut record).ok()? {
        if record.iter().all(<[u8]>::is_empty) {
            continue;
        }
        let Some(width) = width else {
            width = Some(record.len()).filter(|width| *width > 1);
            width?;
            continue;
        };
        rows += 1;
        agree += usize::from(record.len() == width);
    }
    let share = (agree * 100).checked_div(rows).unwrap_or(100);
    width.map(|width| (share, width))
}

/// What a first line such as `sep=;` says, which Excel understands and some exports write.
pub(super) fn declared(beginning: &str) -> Option<u8> {
    let line = beginning.split(['\n', '\r']).next()?;
    let separator = line.trim_matches('"').strip_prefix("sep=")?;
    match separator.as_bytes() {
        [delimiter] if delimiter.is_ascii() => Some(*delimiter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{declared, detect};

    #[test]
    fn the_delimiter_is_what_divides_header_and_rows() {
        for (header, delimiter) in [
            ("a,b,c\n1;2;3", b','),
            ("a;b;c\n", b';'),
            ("\n\na\tb\n", b'\t'),
            ("a|b", b'|'),
            ("\"last, first\";phone\n", b';'),
            ("phone\n", b','),
            ("phone\n1,2\n3,4\n", b','),
            ("name, title, city;phone\n\"Ada\";1\n\"Bob\";2\n", b';'),
            ("name;phone\n\"a;b\nc,d\";2\n;;\n\n", b';'),
            ("a|b,c\n1|x\n2|y\n", b'|'),
            ("", b','),
        ] {
            assert_eq!(detect(header), delimiter, "{header:?}");
        }
    }

    #[test]
    fn a_first_line_may_name_the_delimiter() {
        for (text, delimiter) in [
            ("sep=;\r\na;b", Some(b';')),
            ("\"sep=|\"\na", Some(b'|')),
            ("sep=\t\n", Some(b'\t')),
            ("sep=\n", None),
            ("separator;x", None),
        ] {
            assert_eq!(declared(text), delimiter, "{text:?}");
        }
    }
}
