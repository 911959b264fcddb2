//! Recipients who want no more messages, as a suppression list: by everything that a later campaign may know them by.

use std::collections::HashMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{CampaignError, write_whole};
use crate::codes;
use crate::ledger::{Inspect, RecordQuery};
use crate::message::{Address, Templates};
use crate::receipt::OptOut;
use crate::recipients::{Row, guarded, unguarded};
use crate::report;
use crate::specification::Spec;
use crate::state::State;

/// By what an entry names somebody, in this order.
const COLUMNS: [&str; 6] = ["key", "phone_number", "email", "identifier", "contact_id", "conversation_id"];

/// What errors about rows are said to be about.
const LEDGER: &str = "the ledger";

/// One recipient: a cell for each of [`COLUMNS`], empty where that is not known.
type Entry = [String; COLUMNS.len()];

/// A suppression list, in CSV, of those who opted out or have stopped marketing. Gives how many they are with it.
///
/// # Errors
/// The templates do not compile; or the ledger's.
pub async fn opted_out(ledger: &impl Inspect, spec: &Arc<Spec>) -> Result<(u64, Vec<u8>), CampaignError> {
    let mut list = List::default();
    for entry in entries(ledger, spec).await? {
        list.add(&entry);
    }
    Ok((list.rows.len() as u64, list.written().into_bytes()))
}

/// Writes them to `track.opt_out.file`, if the spec names one, beside those who are in it already. Gives the file and how many
/// it has.
///
/// # Errors
/// The file cannot be read or written, or is no list of this kind; or the ledger's.
pub async fn write_opted_out(ledger: &impl Inspect, spec: &Arc<Spec>) -> Result<Option<(PathBuf, u64)>, CampaignError> {
    let Some(file) = &spec.track.opt_out.file else { return Ok(None) };
    let path = spec.folder.join(file);
    let mut list = List::read(&path).map_err(|error| CampaignError::not_writable(&path, error))?;
    let mut has_changed = list.is_new;
    // Other campaigns write into it as well; nobody is taken out.
    for entry in entries(ledger, spec).await? {
        has_changed |= list.add(&entry);
    }
    if has_changed {
        write_whole(&path, list.written().as_bytes())?;
    }
    Ok(Some((path, list.rows.len() as u64)))
}

async fn entries(ledger: &impl Inspect, spec: &Arc<Spec>) -> Result<Vec<Entry>, CampaignError> {
    let templates = Templates::compile(Arc::clone(spec), None, LEDGER)?;
    let mut entries = Vec::new();
    for lease in ledger.failed_with(codes::OPTED_OUT).await? {
        let ids = [lease.contact_id.map(|id| id.0), lease.conversation_id.map(|id| id.0)];
        entries.push(entry(&templates, lease.key, Some(&lease.row), ids));
    }
    let accepted = RecordQuery { only: vec![State::Accepted], with_rows: true };
    let each = |record: report::Record| {
        if record.receipt.opted_out == Some(OptOut::Yes) {
            let ids = [record.contact_id, record.conversation_id];
            entries.push(entry(&templates, record.key, record.row.as_ref(), ids));
        }
        Ok::<_, CampaignError>(())
    };
    ledger.records(&accepted, each).await?;
    Ok(entries)
}

fn entry(templates: &Templates, key: String, row: Option<&Row>, [contact, conversation]: [Option<u64>; 2]) -> Entry {
    let text = |id: Option<u64>| id.map(|id| id.to_string()).unwrap_or_default();
    let of_ids = |key| [key, String::new(), String::new(), String::new(), text(contact), text(conversation)];
    // A row that today's templates cannot render is still known by its key.
    let delivery = row.and_then(|row| templates.render(row, LEDGER).ok());
    match delivery.map(|delivery| delivery.address) {
        // As a key it would be anybody's number in another campaign.
        Some(Address::Conversation(id)) if key == id.to_string() => of_ids(String::new()),
        Some(Address::Contact { contact: person, .. }) => {
            let [phone, email, identifier] = [person.phone_number, person.email, person.identifier];
            let [.., contact, conversation] = of_ids(String::new());
            let names = [phone, email, identifier].map(Option::unwrap_or_default);
            let [phone, email, identifier] = names;
            [key, phone, email, identifier, contact, conversation]
        }
        _ => of_ids(key),
    }
}

/// A list as it is in a file, whoever has edited it since.
#[derive(Debug)]
struct List {
    /// The file's own columns, and those of [`COLUMNS`] that it lacked.
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Which row has a name, by its column among [`COLUMNS`].
    by_name: HashMap<(usize, String), usize>,
    is_new: bool,
}

impl Default for List {
    fn default() -> Self {
        let columns = COLUMNS.iter().map(|&column| column.to_owned()).collect();
        Self { columns, rows: Vec::new(), by_name: HashMap::new(), is_new: true }
    }
}

impl List {
    fn read(path: &Path) -> io::Result<Self> {
        match fs::read_to_string(path) {
            Ok(text) if text.trim().is_empty() => Ok(Self::default()),
            Ok(text) => Self::parse(&text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
        }
    }

    fn parse(text: &str) -> io::Result<Self> {
        let text = text.trim_start_matches('\u{feff}');
        let first = text.lines().next().unwrap_or_default();
        // A spreadsheet may have written it again.
        let delimiter = [b',', b';', b'\t'].into_iter().max_by_key(|delimiter| {
            let count = first.bytes().filter(|byte| byte == delimiter).count();
            (count, *delimiter == b',')
        });
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter.unwrap_or(b','))
            .from_reader(text.as_bytes());
        let mut records = reader.records();
        let header = records.next().transpose()?.unwrap_or_default();
        let mut columns: Vec<String> = header.iter().map(|name| name.trim().to_owned()).collect();
        if !COLUMNS.iter().any(|known| columns.iter().any(|column| column.eq_ignore_ascii_case(known))) {
            return Err(io::Error::other(format!(
                "it is another kind of list: its first line has none of the columns {}",
                COLUMNS.join(", ")
            )));
        }
        for known in COLUMNS {
            if !columns.iter().any(|column| column.eq_ignore_ascii_case(known)) {
                columns.push(known.to_owned());
            }
        }
        let mut list = Self { columns, rows: Vec::new(), by_name: HashMap::new(), is_new: false };
        for record in records {
            let cells: Vec<String> = record?.iter().map(str::to_owned).collect();
            if cells.iter().any(|cell| !cell.trim().is_empty()) {
                list.push(cells);
            }
        }
        Ok(list)
    }

    /// Where in a row the cell of one of [`COLUMNS`] is.
    fn place(&self, column: usize) -> usize {
        let name = COLUMNS.get(column).copied().unwrap_or_default();
        self.columns.iter().position(|known| known.eq_ignore_ascii_case(name)).unwrap_or_default()
    }

    fn push(&mut self, mut cells: Vec<String>) {
        cells.resize(cells.len().max(self.columns.len()), String::new());
        self.rows.push(cells);
        self.index(self.rows.len() - 1);
    }

    fn index(&mut self, at: usize) {
        for column in 0..COLUMNS.len() {
            let place = self.place(column);
            let name = self.rows.get(at).and_then(|row| row.get(place)).map(|cell| of_cell(column, cell));
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                self.by_name.entry((column, name)).or_insert(at);
            }
        }
    }

    /// Adds somebody, or what was not known of them. Gives whether anything is new.
    fn add(&mut self, entry: &Entry) -> bool {
        let names = || entry.iter().enumerate().filter(|(_, name)| !name.is_empty());
        let found = names().find_map(|(column, name)| {
            let at = *self.by_name.get(&(column, of_name(column, name)))?;
            self.is_the_same(at, entry).then_some(at)
        });
        let places: Vec<usize> = (0..COLUMNS.len()).map(|column| self.place(column)).collect();
        let at = found.unwrap_or_else(|| {
            self.push(Vec::new());
            self.rows.len() - 1
        });
        let mut is_new = false;
        for (column, name) in names() {
            let cell = places.get(column).and_then(|place| self.rows.get_mut(at)?.get_mut(*place));
            if let Some(cell) = cell.filter(|cell| cell.trim().is_empty()) {
                *cell = guarded(name).into_owned();
                is_new = true;
            }
        }
        if is_new {
            self.index(at);
        }
        is_new
    }

    /// Whether a row and an entry agree wherever both say something.
    fn is_the_same(&self, at: usize, entry: &Entry) -> bool {
        entry.iter().enumerate().all(|(column, name)| {
            let cell = self.rows.get(at).and_then(|row| row.get(self.place(column)));
            let cell = cell.map(|cell| of_cell(column, cell)).filter(|cell| !cell.is_empty());
            name.is_empty() || cell.is_none_or(|cell| cell == of_name(column, name))
        })
    }

    fn written(&self) -> String {
        let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
        // Memory takes everything.
        let _ = writer.write_record(&self.columns);
        for row in &self.rows {
            let _ = writer.write_record(row);
        }
        String::from_utf8_lossy(&writer.into_inner().unwrap_or_default()).into_owned()
    }
}

/// A cell as it is compared: without what keeps spreadsheets from running it.
fn of_cell(column: usize, cell: &str) -> String {
    of_name(column, unguarded(cell.trim()))
}

/// A name as it is compared: in any case, and a phone number also without the plus, which spreadsheets drop.
fn of_name(column: usize, name: &str) -> String {
    let name = name.trim();
    let is_phone = COLUMNS.get(column) == Some(&"phone_number");
    name.strip_prefix('+').filter(|_| is_phone).unwrap_or(name).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(cells: [&str; 6]) -> Entry {
        cells.map(str::to_owned)
    }

    const ADA: [&str; 6] = ["ada", "+4915112345678", "ada@acme.inc", "", "5", "40"];

    #[test]
    fn nobody_is_entered_twice_however_the_file_was_edited() {
        for known in [
            "key,phone_number,email,identifier,contact_id,conversation_id\nada,'+4915112345678,ada@acme.inc,,5,40\n",
            "\u{feff}\"key\";\"phone_number\";\"email\";\"identifier\";\"contact_id\";\"conversation_id\"\r\n\
             \"ada\";\"+4915112345678\";\"Ada@acme.inc\";;5;40\r\n",
            "note,conversation_id,contact_id,identifier,email,phone_number,key\n\
             called us,40,5,,ada@acme.inc,+4915112345678,ada\n\n",
            "key,phone_number,email,identifier,contact_id,conversation_id\nada,4915112345678,ada@acme.inc,,5,40\n",
        ] {
            let mut list = List::parse(known).unwrap();
            assert!(!list.add(&entry(ADA)), "{known}");
            assert_eq!(list.rows.len(), 1);
        }
    }

    #[test]
    fn what_was_not_known_is_added_and_nothing_is_lost() {
        let mut list = List::parse("key,phone_number,email,note\nada,,,called us\nbob,,,\n").unwrap();
        assert!(list.add(&entry(ADA)));
        assert!(list.add(&entry(["cem", "", "", "", "", "41"])));
        assert!(!list.add(&entry(["cem", "", "", "", "", "41"])));
        assert_eq!(
            list.written(),
            "key,phone_number,email,note,identifier,contact_id,conversation_id\n\
             ada,+4915112345678,ada@acme.inc,called us,,5,40\n\
             bob,,,,,,\n\
             cem,,,,,,41\n"
        );
    }

    #[test]
    fn those_who_share_a_name_are_not_one() {
        let mut list = List::default();
        assert!(list.add(&entry(["ada", "", "", "", "", "40"])));
        assert!(list.add(&entry(["ada", "", "", "", "", "41"])), "another conversation");
        assert_eq!(list.rows.len(), 2);
    }

    #[test]
    fn keys_that_are_guarded_and_keys_that_only_look_so_are_not_one() {
        let mut list = List::default();
        for key in ["=1+1", "'=1+1"] {
            assert!(list.add(&entry([key, "", "", "", "", ""])), "{key}");
        }
        let mut again = List::parse(&list.written()).unwrap();
        for key in ["=1+1", "'=1+1"] {
            assert!(!again.add(&entry([key, "", "", "", "", ""])), "{key}");
        }
    }

    #[test]
    fn another_kind_of_list_is_left_as_it_is() {
        assert!(List::parse("+4915112345678\n+4915112345679\n").is_err());
        assert!(List::parse("name,reason\nAda,no\n").is_err());
    }
}
