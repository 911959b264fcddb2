//! A recipient's phone number: read in the country that the spec or the row names, and doubted where it may be somebody
//! else's.

use super::Renderer;
use crate::message::RewrittenPhone;
use crate::message::region::RegionError;
use crate::recipients::{NO_COUNTRY, Phone, is_region, normalise, share_a_code};
use crate::specification::{PhoneCheck, Template};

/// What columns are called, in letters alone, that name a country.
const COUNTRY_COLUMNS: [&str; 9] =
    ["country", "countrycode", "land", "landcode", "länderkennung", "iso", "pays", "país", "paese"];

const NO_COUNTRY_IN_ROW: &str =
    "no country code, and `recipients.default_region` is empty for this row: begin it with `+`";

impl Renderer<'_> {
    /// The number that a text is.
    pub(super) fn read_phone(&mut self, template: &Template, text: &str) -> Option<Phone> {
        let templates = self.templates;
        let region = templates.region_of(&self.context);
        let known = region.as_ref().ok().and_then(Option::as_deref);
        match normalise(text, known) {
            Ok(phone) => {
                self.doubt(template, text, &phone, known);
                Some(phone)
            }
            Err(what) => {
                match region {
                    Err(error) if what == NO_COUNTRY => self.no_region(error),
                    _ if what == NO_COUNTRY && templates.spec.recipients.default_region.is_some() => {
                        self.misread("phone", template, NO_COUNTRY_IN_ROW, text);
                    }
                    Ok(Some(region)) if what.ends_with("for a phone number") && !is_international(text) => {
                        self.misread("phone", template, format!("{what} of {region}"), text);
                    }
                    _ => self.misread("phone", template, what, text),
                }
                None
            }
        }
    }

    pub(super) fn note_rewritten(&mut self, phone: &Phone, written: String, sent: String) {
        let region = self.templates.region_of(&self.context).ok().flatten();
        let region = region.filter(|_| phone.is_completed).map(std::borrow::Cow::into_owned);
        self.rewritten = Some(RewrittenPhone { written, sent, region });
    }

    /// The country is needed and not known.
    fn no_region(&mut self, error: RegionError) {
        let templates = self.templates;
        let Some(template) = &templates.spec.recipients.default_region else { return };
        match error {
            RegionError::NoText(error) => self.no_text(template, error),
            RegionError::Unknown(text) => {
                self.misread("unknown-region", template, "not a two-letter country code", &text);
            }
        }
    }

    /// What a person should know of a number that can be sent to.
    fn doubt(&mut self, template: &Template, text: &str, phone: &Phone, region: Option<&str>) {
        if phone.doubtful {
            let what = match region.filter(|_| phone.is_completed) {
                Some(region) => format!("read as a number of {region}, but in no numbering plan"),
                None => "this number is in no numbering plan".to_owned(),
            };
            match self.templates.spec.checks.phones {
                PhoneCheck::Strict => self.misread("phone-doubtful", template, what, text),
                PhoneCheck::Lenient => self.warning_about("phone-doubtful", template, what, text),
            }
        }
        let Some(region) = region.filter(|_| phone.is_completed) else { return };
        if let Some((column, other)) = self.another_country(region) {
            let what = format!("read as a number of {region}, but the column `{column}` says {other}");
            self.warning_about("phone-of-another-country", template, what, text);
        } else if let Some(why) = phone.suspicion(text, region) {
            let what = format!("read as a number of {region}, but it {why}");
            self.warning_about("phone-of-another-country", template, what, text);
        }
    }

    /// A cell of the row that names another country, where the spec says one country for all rows.
    fn another_country(&self, region: &str) -> Option<(String, String)> {
        let setting = self.templates.spec.recipients.default_region.as_ref()?;
        let row = self.context.row;
        let named = row.columns.names().iter().zip(row.cells.iter()).filter(|(name, _)| names_a_country(name));
        let countries = named.filter_map(|(name, cell)| Some((name.clone(), cell.as_str()?.trim().to_uppercase())));
        countries
            .filter(|_| setting.is_constant())
            .find(|(_, country)| is_region(country) && !share_a_code(country, region))
    }
}

fn is_international(text: &str) -> bool {
    let begin = text.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '+');
    begin.starts_with('+') || begin.starts_with("00")
}

fn names_a_country(column: &str) -> bool {
    let letters: String = column.chars().filter(|c| c.is_alphabetic()).flat_map(char::to_lowercase).collect();
    COUNTRY_COLUMNS.contains(&letters.as_str())
}
