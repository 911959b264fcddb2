//! Every template of a spec, in the order of its keys.

use super::{Button, Header, Message, Recipients, SendWindow, Spec, Template, TemplateParams, Timezone, To};

impl Spec {
    /// Whether the template is `recipients.where`: an expression, not a text with expressions in it.
    pub fn is_condition(&self, template: &Template) -> bool {
        self.recipients.condition.as_ref().is_some_and(|condition| condition.key == template.key)
    }

    /// All templates, in the order of their keys.
    pub fn templates(&self) -> Vec<&Template> {
        let Recipients { key, condition, default_region, .. } = &self.recipients;
        let mut all: Vec<&Template> = [key, condition, default_region].into_iter().flatten().collect();
        match &self.to {
            To::Conversation { conversation_id } => all.push(conversation_id),
            To::Sender { inbox_id, contact_id, source_id } => {
                all.push(inbox_id);
                all.extend([contact_id, source_id].into_iter().flatten());
            }
            To::Contact { inbox_id, contact } => {
                all.push(inbox_id);
                let fields =
                    [&contact.name, &contact.email, &contact.phone_number, &contact.avatar_url, &contact.identifier];
                all.extend(fields.into_iter().flatten());
            }
        }
        let Message { content, private, in_reply_to, template_params, attachments, message_type: _ } = &self.message;
        all.extend([content, private, in_reply_to].into_iter().flatten());
        all.extend(attachments);
        if let Some(params) = template_params {
            all.extend(of_params(params));
        }
        if let Some(SendWindow { timezone: Timezone::PerRow(timezone), .. }) = &self.send.window {
            all.push(timezone);
        }
        all
    }
}

fn of_params(params: &TemplateParams) -> Vec<&Template> {
    let mut all = vec![&params.name, &params.language];
    all.extend([&params.namespace, &params.category].into_iter().flatten());
    for variables in [&params.processed_params, &params.footer_params].into_iter().flatten() {
        all.extend(variables.iter().map(|(_, template)| template));
    }
    match &params.header_params {
        Some(Header::Text { text_variables }) => all.extend(text_variables.iter().map(|(_, template)| template)),
        Some(Header::Media { media_url, filename, .. }) => {
            all.push(media_url);
            all.extend(filename);
        }
        Some(Header::Location { latitude, longitude, name, address }) => {
            all.extend([latitude, longitude]);
            all.extend([name, address].into_iter().flatten());
        }
        None => {}
    }
    for Button { index, text, payload, sub_type: _ } in params.button_params.iter().flatten() {
        all.push(index);
        all.extend([text, payload].into_iter().flatten());
    }
    all
}
