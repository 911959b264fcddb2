//! `recipients`: the list and how it is read.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::Template;
use super::checker::{Checker, optional};
use super::schema_patterns;
use super::span::{Span, Spanned, Text};

/// A path or a map. Parsed by hand, because serde's untagged enums lose the place and message of errors.
#[derive(Debug)]
pub(super) enum RawRecipients {
    Path(Spanned<String>),
    Map(Box<RawRecipientsMap>),
}

/// The list of recipients with its settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RecipientsMap")]
pub(super) struct RawRecipientsMap {
    /// The list's path, relative to this file; `"-"`, in quotes, is standard input.
    #[schemars(with = "schema_patterns::InputFile")]
    pub(super) file: Spanned<String>,
    /// Format of the list. Default: by file ending.
    #[serde(default)]
    pub(super) format: Option<Format>,
    /// Character between the fields of a CSV list. Default: detected.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Delimiter>")]
    pub(super) delimiter: Option<Spanned<String>>,
    /// The list's encoding, such as `utf-8`, `windows-1252` or `gb18030`. Default: by byte order mark, else UTF-8.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) encoding: Option<Spanned<String>>,
    /// The sheet of a workbook; the first visible one if absent.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(super) sheet: Option<Spanned<String>>,
    /// The columns that the list has at least. `check --no-list` checks the templates against them, without the list.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub(super) columns: Vec<Spanned<String>>,
    /// A template that identifies a recipient: rows with the same key are duplicates. Default: the address in `to`.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) key: Option<Spanned<Text>>,
    /// An expression; rows for which it is false are skipped.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub(super) r#where: Option<Spanned<Text>>,
    /// Suppression lists: files of keys, phone numbers or e-mail addresses that must not be messaged.
    #[serde(default)]
    #[schemars(with = "Vec<schema_patterns::SuppressionList>")]
    pub(super) suppress: Vec<Spanned<String>>,
    /// The country of phone numbers without a country code, such as `DE`, or a template that names it for each row:
    /// `"{{ Country }}"`. For suppression lists, the template reads the columns of their own lines.
    #[serde(default)]
    #[schemars(with = "Option<schema_patterns::Region>")]
    pub(super) default_region: Option<Spanned<Text>>,
    /// What to do with a second row with the same key: `skip` it (default), or `stop` before anything is sent.
    #[serde(default)]
    pub(super) on_duplicate: Duplicates,
}

/// The formats of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated (or `;`, tab, `|`: detected).
    Csv,
    /// Tab-separated.
    Tsv,
    /// One JSON object on each line.
    Jsonl,
    /// A sheet of an Excel workbook.
    Xlsx,
}

impl Format {
    /// What a list is written in by the ending of its name; `None` where the ending does not tell.
    pub fn by_ending(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_lowercase().as_str() {
            "csv" | "txt" => Some(Self::Csv),
            "tsv" | "tab" => Some(Self::Tsv),
            "jsonl" | "ndjson" => Some(Self::Jsonl),
            "xlsx" => Some(Self::Xlsx),
            _ => None,
        }
    }
}

/// What to do with a second row with the same key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// The first row is sent, the others are reported as skipped.
    #[default]
    Skip,
    /// A problem: nothing is sent.
    Stop,
}

/// The list and what is said about it.
#[derive(Debug, Clone)]
pub struct Recipients {
    /// Where it is.
    pub file: List,
    /// What it is written in; by file ending if `None`.
    pub format: Option<Format>,
    /// The byte between fields; detected if `None`.
    pub delimiter: Option<u8>,
    /// The declared encoding; UTF-8 or the byte order mark's if `None`.
    pub encoding: Option<String>,
    /// The sheet of a workbook; the first visible one if `None`.
    pub sheet: Option<String>,
    /// The columns that the list must have, as far as they are declared.
    pub columns: Vec<DeclaredColumn>,
    /// What makes two rows the same delivery; whom `to` addresses if `None`.
    pub key: Option<Template>,
    /// The expression that a row must satisfy.
    pub condition: Option<Template>,
    /// Where the list is named.
    pub file_at: Span,
    /// Files of people who must never be messaged.
    pub suppress: Vec<SuppressionFile>,
    /// The country of national phone numbers: two capital letters, or a template that gives them.
    pub default_region: Option<Template>,
    /// What a second row for a key means.
    pub on_duplicate: Duplicates,
}

/// A column that the spec expects in the list.
#[derive(Debug, Clone)]
pub struct DeclaredColumn {
    /// Its name.
    pub name: String,
    /// Where it is declared.
    pub span: Span,
}

/// A suppression list as the spec names it.
#[derive(Debug, Clone)]
pub struct SuppressionFile {
    /// Relative to the spec's folder.
    pub path: PathBuf,
    /// Where it is named.
    pub span: Span,
}

/// Where the list is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum List {
    /// A file, as written in the spec.
    File(PathBuf),
    /// Standard input.
    Stdin,
}

impl Checker<'_> {
    pub(super) fn recipients(&mut self, raw: RawRecipients) -> Recipients {
        let map = match raw {
            RawRecipients::Map(map) => *map,
            RawRecipients::Path(file) => RawRecipientsMap {
                file,
                format: None,
                delimiter: None,
                encoding: None,
                sheet: None,
                columns: Vec::new(),
                key: None,
                r#where: None,
                suppress: Vec::new(),
                default_region: None,
                on_duplicate: Duplicates::default(),
            },
        };
        let delimiter = self.delimiter(map.delimiter.as_ref());
        let encoding = self.encoding(map.encoding.as_ref());
        let default_region = self.region(map.default_region);
        let file = if map.file.value == "-" { List::Stdin } else { List::File(PathBuf::from(&map.file.value)) };
        if map.file.value.is_empty() {
            self.problem("empty-path", map.file.span, "an empty path", "name the list, or `\"-\"` for standard input");
        }
        self.file_name("list-name", "the list's name", &map.file);
        for path in &map.suppress {
            self.file_name("suppress-name", "the suppression list's name", path);
        }
        Recipients {
            file,
            format: map.format,
            delimiter,
            encoding,
            sheet: map.sheet.map(|sheet| sheet.value),
            columns: self.columns(map.columns),
            key: optional("recipients.key", map.key),
            condition: optional("recipients.where", map.r#where),
            file_at: map.file.span,
            suppress: map
                .suppress
                .into_iter()
                .map(|path| SuppressionFile { path: path.value.into(), span: path.span })
                .collect(),
            default_region,
            on_duplicate: map.on_duplicate,
        }
    }

    pub(super) fn columns(&mut self, raw: Vec<Spanned<String>>) -> Vec<DeclaredColumn> {
        let mut columns: Vec<DeclaredColumn> = Vec::new();
        for Spanned { value: name, span } in raw {
            if name.trim().is_empty() {
                self.problem("column-name", span, "a column without a name", "write the name as in the list's header");
            } else if columns.iter().any(|known| known.name == name) {
                self.warning("listed-twice", span, "the same column for the second time", "remove one of the two");
            } else {
                columns.push(DeclaredColumn { name, span });
            }
        }
        columns
    }

    fn delimiter(&mut self, raw: Option<&Spanned<String>>) -> Option<u8> {
        let raw = raw?;
        match raw.value.as_bytes() {
            b"\\t" => Some(b'\t'),
            [byte] if byte.is_ascii() && !byte.is_ascii_alphanumeric() && *byte != b'"' => Some(*byte),
            _ => {
                self.problem("delimiter", raw.span, "a delimiter is one character", "such as `;` or `\\t`");
                None
            }
        }
    }

    fn encoding(&mut self, raw: Option<&Spanned<String>>) -> Option<String> {
        let raw = raw?;
        if encoding_rs::Encoding::for_label(raw.value.as_bytes()).is_none() {
            self.problem(
                "unknown-encoding",
                raw.span,
                format!("`{}` is not a known encoding", raw.value),
                "such as `utf-8`, `utf-16le`, `windows-1252`, `gb18030`, `big5` or `shift_jis`",
            );
            return None;
        }
        Some(raw.value.clone())
    }

    fn region(&mut self, raw: Option<Spanned<Text>>) -> Option<Template> {
        let region = optional("recipients.default_region", raw)?;
        if region.is_constant() && region.text.parse::<phonenumber::country::Id>().is_err() {
            self.problem(
                "unknown-region",
                region.span,
                format!("`{}` is not a country code", region.text),
                "two capital letters, such as `DE`, or a template, such as `\"{{ Country }}\"`",
            );
            return None;
        }
        Some(region)
    }
}
