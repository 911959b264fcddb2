//! What a workbook says about itself: its sheets, how numbers are shown, from when days are counted.

use std::collections::HashMap;
use std::io::BufRead;

use super::error::WorkbookError;
use super::number_format::{NumberFormat, builtin};
use super::package::Package;
use super::strings::Strings;
use super::xml::{Node, Xml, attribute, is_set};

/// Sheets, formats and the like that a workbook may have.
const MAX_SHEETS: usize = 100_000;

/// A sheet by its name.
#[derive(Debug, Clone)]
pub(super) struct SheetName {
    pub(super) name: String,
    pub(super) hidden: bool,
    /// The name of its part.
    pub(super) part: String,
}

/// What is needed to read the cells of a sheet.
#[derive(Debug, Default)]
pub(super) struct Workbook {
    /// Those that hold cells; charts are left out.
    pub(super) sheets: Vec<SheetName>,
    /// Days are counted from 1904, not from 1900.
    pub(super) since_1904: bool,
    /// How numbers are shown, by the style of a cell.
    pub(super) formats: Vec<NumberFormat>,
    pub(super) strings: Strings,
}

impl Workbook {
    pub(super) fn read(package: &mut Package) -> Result<Self, WorkbookError> {
        let relations = Relations::read(package, "")?;
        let main = relations.of_type("/officeDocument").unwrap_or_else(|| "xl/workbook.xml".to_owned());
        let relations = Relations::read(package, &main)?;
        let mut workbook = Self::default();
        let xml = package.part(&main)?;
        let mut xml = xml.ok_or(WorkbookError::Unsupported("not an Excel workbook but another kind of archive"))?;
        workbook.read_sheets(&mut xml, &relations)?;
        drop(xml);
        workbook.sheets.retain(|sheet| package.has(&sheet.part));
        if let Some(mut xml) = package.part(&relations.of_type("/styles").unwrap_or_default())? {
            workbook.formats = formats(&mut xml)?;
        }
        if let Some(mut xml) = package.part(&relations.of_type("/sharedStrings").unwrap_or_default())? {
            workbook.strings = Strings::read(&mut xml)?;
            xml.get_mut().verify()?;
        }
        Ok(workbook)
    }

    fn read_sheets<R: BufRead>(&mut self, xml: &mut Xml<R>, relations: &Relations) -> Result<(), WorkbookError> {
        loop {
            xml.begin_element();
            match xml.next()? {
                Node::Start(start) => match start.local_name().as_ref() {
                    "workbookPr" => self.since_1904 = is_set(&start, "date1904"),
                    "sheet" if self.sheets.len() < MAX_SHEETS => {
                        let relation = attribute(&start, "id").unwrap_or_default();
                        if let Some(part) = relations.worksheet(&relation) {
                            let name = attribute(&start, "name").unwrap_or_default();
                            let hidden = attribute(&start, "state").is_some_and(|state| state != "visible");
                            self.sheets.push(SheetName { name, hidden, part });
                        }
                    }
                    _ => {}
                },
                Node::Eof => return Ok(()),
                _ => {}
            }
        }
    }
}

/// Which parts belong to a part: by their ids, the type and the name.
#[derive(Debug, Default)]
struct Relations(HashMap<String, (String, String)>);

impl Relations {
    fn read(package: &mut Package, of: &str) -> Result<Self, WorkbookError> {
        let (folder, file) = of.rsplit_once('/').unwrap_or(("", of));
        let mut relations = Self::default();
        let Some(mut xml) = package.part(&format!("{folder}/_rels/{file}.rels"))? else { return Ok(relations) };
        loop {
            xml.begin_element();
            match xml.next()? {
                Node::Start(start)
                    if start.local_name().as_ref() == "Relationship" && relations.0.len() < MAX_SHEETS =>
                {
                    let [id, kind, target] = ["Id", "Type", "Target"].map(|name| attribute(&start, name));
                    let target = resolved(folder, &target.unwrap_or_default());
                    relations.0.insert(id.unwrap_or_default(), (kind.unwrap_or_default(), target));
                }
                Node::Eof => return Ok(relations),
                _ => {}
            }
        }
    }

    fn of_type(&self, ending: &str) -> Option<String> {
        self.0.values().find(|(kind, _)| kind.ends_with(ending)).map(|(_, target)| target.clone())
    }

    fn worksheet(&self, id: &str) -> Option<String> {
        self.0.get(id).filter(|(kind, _)| kind.ends_with("/worksheet")).map(|(_, target)| target.clone())
    }
}

/// A target as it is seen from a folder: `worksheets/sheet1.xml`, `/xl/worksheets/sheet1.xml`, `../sheet1.xml`.
fn resolved(folder: &str, target: &str) -> String {
    let mut parts: Vec<&str> = if target.starts_with('/') { Vec::new() } else { folder.split('/').collect() };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts.join("/")
}

/// How numbers are shown in cells of each style.
fn formats<R: BufRead>(xml: &mut Xml<R>) -> Result<Vec<NumberFormat>, WorkbookError> {
    let mut own: HashMap<u32, NumberFormat> = HashMap::new();
    let (mut formats, mut in_cell_styles) = (Vec::new(), false);
    loop {
        xml.begin_element();
        match xml.next()? {
            Node::Start(start) => {
                let id = |name| attribute(&start, name).and_then(|id| id.parse::<u32>().ok());
                match start.local_name().as_ref() {
                    "numFmt" if own.len() < MAX_SHEETS => {
                        let code = attribute(&start, "formatCode").unwrap_or_default();
                        own.extend(id("numFmtId").map(|id| (id, NumberFormat::of(&code))));
                    }
                    "cellXfs" => in_cell_styles = true,
                    // What follows has formats of its own, which are not those of cells.
                    "cellStyleXfs" | "cellStyles" | "dxfs" => in_cell_styles = false,
                    "xf" if in_cell_styles && formats.len() < MAX_SHEETS => {
                        let id = id("numFmtId").unwrap_or_default();
                        formats.push(own.get(&id).copied().unwrap_or_else(|| builtin(id)));
                    }
                    _ => {}
                }
            }
            Node::Eof => return Ok(formats),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::resolved;

    #[test]
    fn targets_are_seen_from_their_folder() {
        assert_eq!(resolved("xl", "worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("xl", "/xl/worksheets/sheet1.xml"), "xl/worksheets/sheet1.xml");
        assert_eq!(resolved("xl/x", "../sheet1.xml"), "xl/sheet1.xml");
        assert_eq!(resolved("", "xl/workbook.xml"), "xl/workbook.xml");
    }
}
