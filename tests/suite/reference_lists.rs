//! Lists as another program reads them (`tests/lists/reference`), and the lines that rows know.

use std::fs::{self, File};
use std::io::Cursor;

use campaign::recipients::{self, ListOptions};
use campaign::specification::Format;

/// A list of so many bytes that it is read in several pieces, and each row says in its first cell where it is.
fn rows_that_know_their_lines(line_end: &str, last: bool) -> String {
    let mut text = format!("line,text{line_end}");
    let mut line = 2;
    for at in 0..6_000 {
        let (blank, breaks) = ([0, 0, 0, 2][at % 4], [0, 1, 0, 0, 3][at % 5]);
        text += &line_end.repeat(blank);
        line += blank;
        let field = if breaks == 0 { "x".repeat(at % 40) } else { format!("\"{}\"", line_end.repeat(breaks)) };
        text.extend([line.to_string().as_str(), ",", &field, line_end]);
        line += breaks + 1;
    }
    if last { text } else { text.trim_end().to_owned() }
}

#[test]
fn every_row_knows_its_line_however_lines_end() {
    for line_end in ["\n", "\r\n", "\r"] {
        for last in [true, false] {
            let text = rows_that_know_their_lines(line_end, last);
            let written =
                ListOptions { name: "list", format: Format::Csv, delimiter: None, encoding: None, sheet: None };
            let rows: Vec<_> = recipients::read(Cursor::new(text), &written).unwrap().map(Result::unwrap).collect();
            assert_eq!(rows.len(), 6_000);
            for row in rows {
                assert_eq!(row.cells[0], row.line.to_string(), "with {line_end:?}");
            }
        }
    }
}

/// What Python's `csv` reads, field by field. The two differ on purpose in four things, which the reference leaves out:
/// rows of nothing but delimiters are passed over, the names of columns lose white space round them, and a row of another
/// width than the header, or with text after a closing quote, is a problem.
#[test]
fn lists_are_read_as_another_reader_reads_them() {
    let mut count = 0;
    for entry in fs::read_dir("tests/lists/reference").unwrap() {
        let path = entry.unwrap().path();
        let Ok(expected) = fs::read_to_string(path.with_extension("json")) else { continue };
        if path.extension().is_some_and(|ending| ending == "json") {
            continue;
        }
        let expected: Vec<Vec<String>> = serde_json::from_str(&expected).unwrap();
        let format = if path.extension().is_some_and(|ending| ending == "tsv") { Format::Tsv } else { Format::Csv };
        let options = ListOptions { name: "list", format, delimiter: None, encoding: None, sheet: None };
        let rows = recipients::read(File::open(&path).unwrap(), &options).unwrap();
        let names = rows.columns.as_ref().unwrap().names().to_vec();
        let cells = |row: recipients::Row| -> Vec<String> {
            row.cells.iter().map(|cell| cell.as_str().unwrap().to_owned()).collect()
        };
        let read: Vec<Vec<String>> = [names].into_iter().chain(rows.map(|row| cells(row.unwrap()))).collect();
        assert_eq!(read, expected, "{}", path.display());
        count += 1;
    }
    assert!(count >= 20, "{count} lists");
}
