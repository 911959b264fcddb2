//! A workbook is read to its end or refused.
//!
//! Random bytes are hardly ever an archive. So what does not begin like one becomes the parts of one: the sheet, the
//! shared strings and the styles, with a record separator between them.
#![no_main]

use std::io::{Cursor, Write};

use campaign::recipients::{ListOptions, read};
use campaign::specification::Format;
use libfuzzer_sys::fuzz_target;
use zip::write::{SimpleFileOptions, ZipWriter};

const RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#;
const WORKBOOK: &str = r#"<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="people" sheetId="1" r:id="a"/></sheets></workbook>"#;
const WORKBOOK_RELATIONS: &str = r#"<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="a" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="b" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/><Relationship Id="c" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/></Relationships>"#;

fn archive(bytes: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    let fixed = [
        ("_rels/.rels", RELATIONS),
        ("xl/workbook.xml", WORKBOOK),
        ("xl/_rels/workbook.xml.rels", WORKBOOK_RELATIONS),
    ];
    let names = ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml"];
    let parts = names.into_iter().zip(bytes.split(|byte| *byte == 0x1e));
    for (name, content) in fixed.into_iter().map(|(name, text)| (name, text.as_bytes())).chain(parts) {
        writer.start_file(name, stored)?;
        writer.write_all(content)?;
    }
    Ok(writer.finish()?.into_inner())
}

fuzz_target!(|bytes: &[u8]| {
    let archive = if bytes.starts_with(b"PK") { Ok(bytes.to_vec()) } else { archive(bytes) };
    let Ok(archive) = archive else { return };
    let options = ListOptions { name: "list.xlsx", format: Format::Xlsx, delimiter: None, encoding: None, sheet: None };
    let Ok(rows) = read(Cursor::new(archive), &options) else { return };
    for row in rows.flatten() {
        assert_eq!(row.cells.len(), row.columns.names().len());
    }
});
