//! The country of phone numbers that are written without one: the same for all rows, or what each row says.

use std::borrow::Cow;

use super::Templates;
use super::context::Context;
use super::render_errors::NoText;
use crate::recipients::{Row, is_region};

/// Why the country of a row is not known.
pub(super) enum RegionError {
    /// The template gives no text.
    NoText(NoText),
    /// It gives a text that is no country code.
    Unknown(String),
}

impl Templates {
    /// The country of a line, be it of the list or of a suppression list; `None` where it is not known.
    pub fn region(&self, row: &Row) -> Option<Cow<'_, str>> {
        self.region_of(&Context::new(row)).ok().flatten()
    }

    /// The country of a row; `None` if the row names none.
    pub(super) fn region_of(&self, context: &Context<'_>) -> Result<Option<Cow<'_, str>>, RegionError> {
        let Some(template) = &self.spec.recipients.default_region else { return Ok(None) };
        if template.is_constant() {
            return Ok(Some(Cow::Borrowed(&template.text)));
        }
        let text = self.text(template, context).map_err(RegionError::NoText)?;
        let region = text.trim().to_uppercase();
        match region.as_str() {
            "" => Ok(None),
            code if is_region(code) => Ok(Some(Cow::Owned(region))),
            _ => Err(RegionError::Unknown(text.trim().to_owned())),
        }
    }
}
