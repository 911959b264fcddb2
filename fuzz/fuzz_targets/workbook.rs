//! A workbook is read to its end or refused.
#![no_main]

use std::io::Cursor;

use campaign::recipients::{ListOptions, read};
use campaign::specification::Format;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let written = ListOptions { name: "list.xlsx", format: Format::Xlsx, delimiter: None, encoding: None, sheet: None };
    let Ok(rows) = read(Cursor::new(bytes.to_vec()), &written) else { return };
    for row in rows.flatten() {
        assert_eq!(row.cells.len(), row.columns.names().len());
    }
});
