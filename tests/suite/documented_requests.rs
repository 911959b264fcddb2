//! The documented payloads bind both sides: what the client sends is the documented request byte for byte, the sandbox
//! takes it, and the client understands the documented replies.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs;
use std::path::{Path, PathBuf};

use campaign::livedesk::{Answer, ContactReply, ConversationRequest, Exchange, MessageRequest, Reply};
use campaign::message::Contact;
use campaign::state::{ContactId, ConversationId, InboxId, MessageId};
use serde_json::Value;

use super::harness::{Desk, command};

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// The documented requests for which there is a spec, by name.
fn documented() -> Vec<(String, Value)> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir("tests/wire/requests").unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let name = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (name(path), json(path))).filter(|(name, _)| name != "retry").collect()
}

/// The same bytes: keys in the same order, numbers written alike.
fn assert_same_bytes(sent: &Value, documented: &Value, name: &str) {
    assert_eq!(sent.to_string(), documented.to_string(), "{name}");
}

/// A multipart request's documented form: its fields as the body, its files by name.
fn fields_and_files(documented: &Value) -> (Value, Vec<Value>) {
    match documented.get("multipart") {
        Some(form) => (form["fields"].clone(), form["attachments"].as_array().unwrap().clone()),
        None => (documented["body"].clone(), Vec::new()),
    }
}

#[test]
fn a_dry_run_shows_the_documented_requests() {
    for (name, documented) in documented() {
        let spec = format!("tests/wire/specs/{name}.yaml");
        let output = command().args(["run", &spec, "--dry-run", "--format", "json"]).output().unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
        let requests = shown["requests"].as_array().unwrap();
        let request = requests.iter().find(|request| request["path"] == documented["path"]).unwrap();
        let (body, files) = fields_and_files(&documented);
        assert_eq!(request["method"], documented["method"], "{name}");
        assert_same_bytes(&request["body"], &body, &name);
        let shown_files = request["attachments"].as_array().map_or(0, Vec::len);
        assert_eq!(shown_files, files.len(), "{name}");
    }
}

#[test]
fn what_arrives_is_the_documented_request_and_the_sandbox_takes_it() {
    let desk = Desk::friendly();
    for (name, documented) in documented() {
        let folder = tempfile::tempdir().unwrap();
        for file in [format!("{name}.yaml"), format!("{name}.csv"), "file.jpg".to_owned()] {
            fs::copy(format!("tests/wire/specs/{file}"), folder.path().join(file)).unwrap();
        }
        let spec = folder.path().join(format!("{name}.yaml"));
        let text = fs::read_to_string(&spec).unwrap();
        fs::write(&spec, format!("{text}\nlivedesk: {{ base_url: '{}' }}\n", desk.base_url)).unwrap();
        let before = desk.journal().len();
        let output = command()
            .args(["run".as_ref(), spec.as_os_str()])
            .envs([("LIVEDESK_API_KEY", "key"), ("LIVEDESK_API_SECRET", "secret")])
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let journal = desk.journal().split_off(before);
        let arrived = journal.iter().find(|entry| entry["path"] == documented["path"]).unwrap();
        assert_eq!((&arrived["method"], &arrived["status"]), (&documented["method"], &Value::from(200)), "{name}");
        let (body, files) = fields_and_files(&documented);
        if files.is_empty() {
            assert_same_bytes(&arrived["body"], &body, &name);
            continue;
        }
        assert_same_bytes(&arrived["body"]["fields"], &body, &name);
        let parts = arrived["body"]["attachments"].as_array().unwrap();
        assert_eq!(parts.len(), files.len());
        for (part, file) in parts.iter().zip(files) {
            let part = (&part["name"], &part["filename"], &part["content_type"]);
            assert_eq!(part, (&Value::from("attachments[]"), &file["file"], &file["content_type"]));
        }
    }
}

fn reply(name: &str) -> Exchange {
    let body = fs::read_to_string(format!("tests/wire/replies/{name}.json")).unwrap();
    Exchange::Answered(Answer { status: 200, body, ..Answer::default() })
}

fn message_to(conversation: u64) -> MessageRequest {
    MessageRequest { conversation_id: ConversationId(conversation), message_id: None }
}

#[test]
fn the_client_understands_the_documented_replies() {
    for (name, id) in [("text_sent", 3030), ("attachment_sent", 3031), ("template_sent", 123)] {
        let Reply::Done(sent) = reply(name).message(message_to(141)) else { panic!("{name}") };
        assert_eq!((sent.message_id, sent.livedesk_status.as_str()), (MessageId(id), "sent"), "{name}");
    }
    let Reply::Refused(failure) = reply("template_failed").message(message_to(141)) else { panic!("template_failed") };
    assert_eq!(failure.code, "131047");
    assert_eq!(failure.text, "131047: Re-engagement message is not allowed");
    let Reply::Done(ContactReply::Created(owner)) = reply("contact_created").contact(&Contact::default()) else {
        panic!()
    };
    assert_eq!(owner.id, ContactId(2_219_259));
    let asked = |contact| ConversationRequest {
        inbox_id: InboxId(407),
        contact_id: Some(ContactId(contact)),
        source_id: None,
        contact: None,
    };
    let Reply::Done(made) = reply("conversation_created").conversation(asked(2_219_256)) else { panic!() };
    assert_eq!(made.id, ConversationId(40));
    assert!(made.obstacles(false).is_empty());
    assert!(matches!(reply("conversation_created").conversation(asked(1)), Reply::Refused(_)), "it is somebody else's");
    assert!(matches!(reply("text_sent").message(message_to(142)), Reply::Unknown(_)), "it is another conversation's");
}
