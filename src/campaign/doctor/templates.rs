//! Templates as a campaign uses them against templates as WhatsApp has them.

use std::collections::BTreeSet;

use super::needs::TemplateUse;
use crate::livedesk::InboxTemplate;
use crate::opt_out::{OptOutWords, is_opt_out_payload};
use crate::problem::did_you_mean;
use crate::receipt::OptOut;

/// Why WhatsApp would refuse this use.
pub(super) fn template_problems(wanted: &TemplateUse, known: &[InboxTemplate]) -> Vec<String> {
    let of_name: Vec<&InboxTemplate> = known.iter().filter(|template| template.name == wanted.name).collect();
    if of_name.is_empty() {
        let near = did_you_mean(&wanted.name, known.iter().map(|template| template.name.as_str()));
        return vec![match near {
            Some(near) => format!("the inbox has no template of that name; did you mean `{near}`?"),
            None => "the inbox has no template of that name".to_owned(),
        }];
    }
    let Some(template) = of_name.iter().find(|template| template.language == wanted.language) else {
        let languages: Vec<&str> = of_name.iter().map(|template| template.language.as_str()).collect();
        return vec![format!("not in this language, only in {}", languages.join(", "))];
    };
    let mut problems = Vec::new();
    if !template.is_approved() {
        problems.push(format!("WhatsApp says `{}`", template.status.as_deref().unwrap_or_default()));
    }
    problems.extend(body(wanted, template));
    problems.extend(header(wanted, template));
    problems.extend(buttons(wanted, template));
    problems
}

fn body(wanted: &TemplateUse, template: &InboxTemplate) -> Option<String> {
    variables("body", &wanted.body, &template.body)
}

/// Whether a part of a template takes other variables than it is given.
fn variables<'a>(
    part: &str,
    given: impl IntoIterator<Item = &'a String>,
    expected: impl IntoIterator<Item = &'a String>,
) -> Option<String> {
    let names = |names: &mut dyn Iterator<Item = &'a String>| names.map(String::as_str).collect::<BTreeSet<&str>>();
    let (given, expected) = (names(&mut given.into_iter()), names(&mut expected.into_iter()));
    (given != expected).then(|| format!("its {part} takes {}, not {}", listed(&expected), listed(&given)))
}

fn listed(names: &BTreeSet<&str>) -> String {
    if names.is_empty() {
        return "no parameters".to_owned();
    }
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn header(wanted: &TemplateUse, template: &InboxTemplate) -> Option<String> {
    // A text without a variable takes nothing.
    let expected = template.header.as_ref().filter(|(format, variables)| format != "text" || !variables.is_empty());
    match (expected.map(|(format, _)| format.as_str()), wanted.header) {
        (Some("text"), Some("text")) => {
            variables("header", &wanted.header_variables, expected.iter().flat_map(|(_, variables)| variables))
        }
        (expected, given) if expected == given => None,
        (Some(expected), Some(given)) => Some(format!("its header takes {expected}, not {given}")),
        (Some(expected), None) => Some(format!("its header takes {expected}: `header_params` is missing")),
        (None, _) => Some("its header takes nothing: remove `header_params`".to_owned()),
    }
}

fn buttons(wanted: &TemplateUse, template: &InboxTemplate) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, kind, _) in &wanted.buttons {
        let button = usize::try_from(*index).ok().and_then(|index| template.buttons.get(index));
        match button {
            None => problems.push(format!("it has no button {index}")),
            Some(button) if button.kind != *kind => {
                problems.push(format!("its button {index} is `{}`, not `{kind}`", button.kind));
            }
            Some(button) if *kind == "url" && !button.has_variable => {
                problems.push(format!("the address of its button {index} takes nothing"));
            }
            Some(_) => {}
        }
    }
    let is_given = |index: usize| wanted.buttons.iter().any(|(given, ..)| *given == index as u64);
    for (index, button) in template.buttons.iter().enumerate() {
        if button.has_variable && !is_given(index) {
            problems.push(format!("its button {index} takes a `text` for its address"));
        }
    }
    problems
}

/// Buttons that are an opt-out by their payload, and whose label, which is what a recipient's reply says, is not known as
/// one.
pub(super) fn unknown_opt_outs(wanted: &TemplateUse, known: &[InboxTemplate], words: &OptOutWords) -> Vec<String> {
    let is_it = |template: &&InboxTemplate| template.name == wanted.name && template.language == wanted.language;
    let Some(template) = known.iter().find(is_it) else { return Vec::new() };
    let opt_outs = wanted.buttons.iter().filter(|(.., payload)| payload.as_deref().is_some_and(is_opt_out_payload));
    let buttons = opt_outs.filter_map(|(index, ..)| template.buttons.get(usize::try_from(*index).ok()?));
    let unknown = buttons.filter(|button| words.classify(&button.label) != Some(OptOut::Yes));
    unknown
        .map(|button| {
            format!(
                "a reply by its opt-out button says \"{}\": add that to `track.opt_out.words`, or it is not seen",
                button.label
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::livedesk::InboxButton;

    fn template() -> InboxTemplate {
        let button = |kind: &str, label: &str, has_variable| InboxButton {
            kind: kind.to_owned(),
            label: label.to_owned(),
            has_variable,
        };
        InboxTemplate {
            name: "we_miss_you".to_owned(),
            language: "en".to_owned(),
            status: Some("approved".to_owned()),
            body: ["1", "2"].map(str::to_owned).into(),
            header: Some(("image".to_owned(), BTreeSet::new())),
            buttons: vec![button("url", "Open", true), button("quick_reply", "Not for me", false)],
        }
    }

    fn used() -> TemplateUse {
        TemplateUse {
            name: "we_miss_you".to_owned(),
            language: "en".to_owned(),
            body: ["1", "2"].map(str::to_owned).into(),
            header: Some("image"),
            header_variables: Vec::new(),
            buttons: vec![(0, "url", None), (1, "quick_reply", Some("OPT_OUT".to_owned()))],
        }
    }

    fn said(change: impl FnOnce(&mut TemplateUse)) -> String {
        let mut used = used();
        change(&mut used);
        template_problems(&used, &[template()]).join("; ")
    }

    #[test]
    fn what_fits_has_no_faults_and_everything_else_is_named() {
        assert_eq!(said(|_| {}), "");
        assert!(said(|used| used.name = "we_mis_you".to_owned()).contains("did you mean `we_miss_you`"));
        assert_eq!(said(|used| used.language = "de".to_owned()), "not in this language, only in en");
        assert_eq!(said(|used| used.body.clear()), "its body takes `1`, `2`, not no parameters");
        assert_eq!(said(|used| used.header = None), "its header takes image: `header_params` is missing");
        assert_eq!(said(|used| used.header = Some("video")), "its header takes image, not video");
        assert_eq!(said(|used| used.buttons.clear()), "its button 0 takes a `text` for its address");
        assert_eq!(said(|used| used.buttons.push((7, "url", None))), "it has no button 7");
        let with_text = InboxTemplate { header: Some(("text".to_owned(), ["1".to_owned()].into())), ..template() };
        let text = |names: &[&str]| {
            let header_variables = names.iter().map(|name| (*name).to_owned()).collect();
            let used = TemplateUse { header: Some("text"), header_variables, ..used() };
            template_problems(&used, std::slice::from_ref(&with_text)).join("; ")
        };
        assert_eq!(text(&["1"]), "");
        assert_eq!(text(&["1", "2"]), "its header takes `1`, not `1`, `2`");
        let paused = InboxTemplate { status: Some("paused".to_owned()), ..template() };
        assert_eq!(template_problems(&used(), &[paused]), ["WhatsApp says `paused`"]);
    }

    #[test]
    fn an_opt_out_button_whose_label_is_not_known_is_named() {
        let said = unknown_opt_outs(&used(), &[template()], &OptOutWords::default());
        assert!(said[0].contains("\"Not for me\""), "{said:?}");
        assert!(unknown_opt_outs(&used(), &[template()], &OptOutWords::new(["not for me"])).is_empty());
    }
}
