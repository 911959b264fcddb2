//! A text list (the first byte chooses format, delimiter and encoding) is read to its end or refused: every row has a
//! cell for each column, and nothing comes after what ends a list.
#![no_main]

use std::io::Cursor;

use campaign::recipients::{RowError, ListOptions, read};
use campaign::specification::Format;
use libfuzzer_sys::fuzz_target;

const ENCODINGS: [Option<&str>; 4] = [None, None, Some("utf-16le"), Some("shift_jis")];

fuzz_target!(|bytes: &[u8]| {
    let Some((choice, list)) = bytes.split_first() else { return };
    let written = ListOptions {
        name: "list",
        format: [Format::Csv, Format::Tsv, Format::Jsonl, Format::Csv][usize::from(choice & 3)],
        delimiter: (choice & 0x20 != 0).then_some(b';'),
        encoding: ENCODINGS[usize::from(choice >> 6)],
        sheet: None,
    };
    let Ok(mut rows) = read(Cursor::new(list.to_vec()), &written) else { return };
    let mut count = 0;
    while let Some(row) = rows.next() {
        count += 1;
        assert!(count <= list.len() + 2, "more rows than bytes");
        match row {
            Ok(row) => assert_eq!(row.cells.len(), row.columns.names().len()),
            Err(RowError::Row(_)) => {}
            Err(RowError::List(_)) => assert!(rows.next().is_none(), "a row after the end of the list"),
        }
    }
    rows.remarks();
});
