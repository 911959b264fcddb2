//! How to mend what is wrong with a row, where the code of the problem is enough to say so.

use crate::message::dates;
use crate::message::mixed_kinds::{LIST_HINT, NUMBER_FOR_TEXT, NUMBER_HINT, TEXT_FOR_LIST, TEXT_FOR_NUMBER, TEXT_HINT};
use crate::message::truthiness::{TEXT_FOR_TRUTH, TRUTH_HINT};

/// How to mend what is wrong with a row.
pub(super) fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        TEXT_FOR_TRUTH => TRUTH_HINT,
        TEXT_FOR_NUMBER => NUMBER_HINT,
        NUMBER_FOR_TEXT => TEXT_HINT,
        TEXT_FOR_LIST => LIST_HINT,
        dates::FORMAT_CODE => dates::FORMAT_HINT,
        "not-a-date" => {
            "dates are written as `2026-12-01`; `column|todate('%d.%m.%Y')` reads `01.12.2026`, and `column|todate('%m/%d/%Y')` \
             `12/01/2026`"
        }
        "empty" | "nobody-named" => {
            "fill the cell, or leave such rows out: with `recipients.where`, or with `--skip-invalid`"
        }
        "phone" => "write numbers as `+` and digits, or say with `recipients.default_region` where they are from",
        "phone-doubtful" => {
            "look it up; numbering plans age, so `checks.phones: lenient` lets such numbers pass, and `strict` does not"
        }
        "rounded-number" => "format the column as text in the spreadsheet, fill it again, and export again",
        "date-for-number" | "date-for-id" => {
            "spreadsheets make dates of numbers with a point, a dash or a slash: format the column as text"
        }
        "not-a-number" => "digits alone; is it the right column?",
        "liquid" => "take it out of the list, or set `checks.liquid: allow` if it is meant to be evaluated",
        "line-break-or-tab" => "the filter `replace('\\n', ' ')` makes one line of several",
        "template-language" => "the code of an approved translation, such as `en`, `en_US` or `zh_CN`",
        "url-not-a-suffix" => "give only what follows the fixed part of the address in the template",
        "url-with-spaces" => "write `{{ column | urlencode }}`",
        "media-url" => "such as `https://shop.example/picture.png`",
        "media-url-private" => "WhatsApp fetches the file itself: put it where everybody can reach it",
        "stripped" => "reword it, or set `checks.stripped: allow` once you know that it does no harm",
        _ => return None,
    })
}
