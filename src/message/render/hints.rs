//! How to mend what is wrong with a row, where the code of the problem is enough to say so.

use crate::message::date_filters;
use crate::message::mixed_kinds::{LIST_HINT, NUMBER_FOR_TEXT, NUMBER_HINT, TEXT_FOR_LIST, TEXT_FOR_NUMBER, TEXT_HINT};
use crate::message::truthiness::{TEXT_FOR_TRUTH, TRUTH_HINT};

/// How to mend what is wrong with a row.
pub(super) fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        TEXT_FOR_TRUTH => TRUTH_HINT,
        TEXT_FOR_NUMBER => NUMBER_HINT,
        NUMBER_FOR_TEXT => TEXT_HINT,
        TEXT_FOR_LIST => LIST_HINT,
        date_filters::FORMAT_CODE => date_filters::FORMAT_HINT,
        "not-a-date" => {
            "dates are written as `2026-12-01`; `column|todate('%d.%m.%Y')` reads `01.12.2026`, and `column|todate('%m/%d/%Y')` \
             `12/01/2026`"
        }
        "empty" | "nobody-named" => "fill in the cell, or skip such rows with `recipients.where` or `--skip-invalid`",
        "phone" => "write numbers as `+` and digits, or set `recipients.default_region`",
        "unknown-region" => {
            "write two letters, such as `DE`; a map in `vars` turns names into codes: `\"{{ codes[Country] }}\"`"
        }
        "phone-as-source" => {
            "WhatsApp's ids are international numbers without `+`: set `recipients.default_region` for national numbers"
        }
        "phone-of-another-country" => {
            "begin such numbers with `+` and their country code, or name each row's country: \
             `recipients.default_region: \"{{ Country }}\"`"
        }
        "phone-doubtful" => "check the number; `checks.phones: lenient` allows it with a warning, `strict` refuses it",
        "key-too-long" => "use a shorter column, such as a customer number or a phone number",
        "rounded-number" => "format the column as text in the spreadsheet, enter the values again and export it again",
        "date-for-number" | "date-for-id" => {
            "spreadsheets turn numbers with a point, a dash or a slash into dates: format the column as text"
        }
        "not-a-number" => "use digits only; is this the right column?",
        "liquid" => "remove it from the list, or set `checks.liquid: allow` if it should be evaluated",
        "line-break-or-tab" => "join the lines with the filter `replace('\\n', ' ')`",
        "template-language" => "the code of an approved translation, such as `en`, `en_US` or `zh_CN`",
        "url-not-a-suffix" => "give only what follows the fixed part of the URL in the template",
        "url-with-spaces" => "write `{{ column | urlencode }}`",
        "media-url" => "such as `https://shop.example/picture.png`",
        "media-url-private" => "WhatsApp fetches the file itself: make it publicly reachable",
        "stripped" => "reword it, or set `checks.stripped: allow` if that is fine",
        _ => return None,
    })
}
