//! `--html`: the page that shows messages as chat bubbles.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::harness::{Project, command};

const SAMPLES: [&str; 7] =
    ["event_invitation", "invoice", "onboarding", "order_update", "picture", "re_engagement", "support_note"];

/// A project that must not need a server.
fn offline() -> Project {
    Project::at_address("http://127.0.0.1:9")
}

/// The page of a dry run with these words.
fn page(project: &Project, words: &[&str]) -> String {
    project.run(&[&["--dry-run", "--html", "page.html"], words].concat()).exits(0);
    fs::read_to_string(project.path("page.html")).unwrap()
}

/// A text of the page as a browser reads it.
fn unescaped(text: &str) -> String {
    let entities = [("&#x2f;", "/"), ("&#x27;", "'"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")];
    entities.iter().fold(text.to_owned(), |text, (entity, letter)| text.replace(entity, letter))
}

/// What a person reads on the page, one text a line; without the time at which it was made.
fn read(page: &str) -> String {
    let body = page.split_once("</svg>").unwrap().1;
    let mut lines: Vec<String> = Vec::new();
    for part in body.split('<') {
        let (tag, text) = part.split_once('>').unwrap_or(("", part));
        let class = tag.split_once("class=\"").map_or("", |(_, rest)| rest.split('"').next().unwrap_or_default());
        let text = unescaped(text.trim());
        if (!text.is_empty() || !class.is_empty()) && class != "icon" {
            let name = tag.split(' ').next().unwrap_or_default();
            let dot = if class.is_empty() { "" } else { "." };
            let class = format!("{dot}{}", class.replace(' ', "."));
            let line = format!("{name}{class}: {text}");
            // What follows an element goes on with its line.
            match lines.last_mut() {
                Some(last) if name.starts_with('/') => *last = format!("{last} {text}"),
                _ if text.is_empty() => lines.push(format!("{name}{class}")),
                _ => lines.push(line),
            }
        }
    }
    lines.retain(|line| !line.contains("Made 20"));
    lines.join("\n")
}

#[test]
fn each_sample_is_shown_as_its_recipients_would_see_it() {
    let folder = tempfile::tempdir().unwrap();
    for sample in SAMPLES {
        let path = folder.path().join(format!("{sample}.html"));
        let output = command()
            .args(["run", &format!("campaigns/{sample}.yaml"), "--dry-run", "--html"])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        let mut settings = insta::Settings::clone_current();
        // By the hours of a window it depends on the time of day how long it takes.
        if sample == "event_invitation" {
            settings.add_filter("dt: takes\ndd: .*\n(dt: when\ndd: .*\n)?", "");
        }
        settings.bind(|| insta::assert_snapshot!(sample, read(&fs::read_to_string(&path).unwrap())));
    }
}

#[test]
fn a_page_reaches_for_nothing_outside_of_itself() {
    let page = page(&hostile(), &[]);
    assert!(page.contains("content=\"default-src 'none'; style-src 'sha256-"));
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
    assert!(!style.contains("url(") && !style.contains("@import"));
    let tags: Vec<&str> = page.split('<').filter_map(|part| part.split_once('>')).map(|(tag, _)| tag).collect();
    for tag in &tags {
        let name = tag.split(' ').next().unwrap();
        assert!(!["script", "link", "img", "a", "iframe", "object", "embed", "form", "base"].contains(&name), "{tag}");
        assert!(!tag.contains(" src=") && !tag.contains(" style=") && !tag.contains("refresh"), "{tag}");
        assert!(tag.split_once("href=").is_none_or(|(_, target)| target.starts_with("\"#")), "{tag}");
    }
    assert!(tags.len() > 50, "there is something to look at");
}

const HOSTILE: &str = "</p><script>alert(1)</script> \" onload='x' &lt; & {{7*7}} \u{202e}desrever\u{2066} 👩‍👩‍👧 *b<i>*";

/// A campaign with a hostile value wherever one can be.
fn hostile() -> Project {
    let row = serde_json::json!({ "id": 101, "key": HOSTILE, "v": HOSTILE, "name": HOSTILE });
    offline()
        .spec(
            r#"
name: c
description: "</title><b>&"
recipients: { file: list.jsonl, key: "{{ key }}" }
to: { inbox_id: 1, contact: { name: "{{ name }}", identifier: "{{ id }}" } }
message:
  content: "{{ v }}"
  template_params:
    name: hello
    language: en
    processed_params: { "1": "{{ v }}" }
    header_params: { type: document, media_url: "https://example.com/a?b=1&c=2", filename: "{{ v }}.pdf" }
    footer_params: { text_variables: { "1": "{{ v }}" } }
    button_params:
      - { index: 0, sub_type: url, text: "{{ v | replace(' ', '') }}" }
      - { index: 1, sub_type: quick_reply, payload: "{{ v }}" }
checks: { liquid: allow }
"#,
        )
        .file("list.jsonl", row.to_string())
}

#[test]
fn what_a_list_holds_stays_text() {
    let page = page(&hostile(), &[]);
    let body = page.split_once("<body>").unwrap().1;
    for tag in ["<script", "<i>", "<b>", "onload='"] {
        assert!(!body.contains(tag), "{tag} got through");
    }
    assert!(!page.contains("<title></title>"));
    assert!(body.contains("&lt;script&gt;alert(1)"), "a person still sees what is there");
    assert!(body.contains("&amp;lt; &amp; "), "an entity is a text like others");
    assert!(body.contains("<strong>b&lt;i&gt;</strong>"), "marks count also beside what was escaped");
    assert!(body.contains("👩\u{200d}👩\u{200d}👧"));
    assert!(!body.contains(['\u{202e}', '\u{2066}']), "nothing turns the direction of what follows");
    assert!(body.contains(r"\u{202e}desrever\u{2066}"));
    let places = body.matches("desrever").count();
    assert_eq!(places, 8, "key, name, file, text, footer, two buttons, and the template's value:\n{body}");
}

#[test]
fn a_page_is_for_its_owner_only() {
    let project = offline().people(1);
    page(&project, &[]);
    let mode = |project: &Project| fs::metadata(project.path("page.html")).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&project), 0o600);
    // Also where there was a page that others could read.
    let project = offline().people(1).file("page.html", "old");
    let old = fs::Permissions::from_mode(0o644);
    fs::set_permissions(project.path("page.html"), old).unwrap();
    assert!(page(&project, &[]).starts_with("<!doctype html>"));
    assert_eq!(mode(&project), 0o600);
}

#[test]
fn only_the_page_is_written_and_it_is_said_where() {
    let project = offline().people(2);
    let before = project.files();
    let said = "dry run: nothing was sent; preview written to out/page.html; 2 messages would be sent";
    project.run(&["--dry-run", "--html", "out/page.html"]).exits(0).says(said);
    let new: Vec<_> = project.files().into_iter().filter(|path| !before.contains(path)).collect();
    assert_eq!(new, [project.path("out"), project.path("out/page.html")]);
}

#[test]
fn what_the_campaign_reads_is_never_replaced() {
    let list = "conversation_id\n101\n";
    let project = offline().setting("recipients: { file: list.html, format: csv, suppress: [no.html] }");
    let project = project.file("list.html", list).file("no.html", "phone\n+491713920055\n");
    symlink(project.path("list.html"), project.path("link.html")).unwrap();
    fs::copy(project.path("campaign.yaml"), project.path("spec.html")).unwrap();
    for path in ["list.html", "./list.html", "no.html", "link.html"] {
        let ran = project.run(&["--dry-run", "--html", path]).exits(2);
        assert!(ran.stderr.contains("which the campaign reads"), "{path}: {}", ran.stderr);
    }
    project.campaign(&["run", "spec.html", "--dry-run", "--html", "spec.html"]).exits(2);
    assert_eq!(fs::read_to_string(project.path("list.html")).unwrap(), list);
    assert_eq!(fs::read(project.path("spec.html")).unwrap(), fs::read(project.path("campaign.yaml")).unwrap());
    page(&project, &[]);
}

#[test]
fn what_the_campaign_sends_is_never_replaced() {
    let project = offline().people(3).file("files/terms.html", "terms");
    let project = project.message("{ content: 'x', attachments: ['files/terms.html'] }");
    let ran = project.run(&["--dry-run", "--html", "files/terms.html"]).exits(2);
    assert!(ran.stderr.contains("which the campaign sends"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(project.path("files/terms.html")).unwrap(), "terms");
}

#[test]
fn a_page_belongs_to_a_dry_run_and_ends_in_html() {
    let project = offline().people(1);
    project.run(&["--html", "page.html"]).exits(2).says("--dry-run");
    project.run(&["--dry-run", "--html", "page.htm"]).exits(2).says("`.html`");
    project.run(&["--dry-run", "--html", "-"]).exits(2);
    assert!(!project.path("page.html").exists());
}

#[test]
fn a_page_that_cannot_be_written_is_the_environments_fault_and_leaves_nothing_behind() {
    let project = offline().people(1).file("folder.html/inside", "");
    let before = project.files();
    project.run(&["--dry-run", "--html", "folder.html"]).exits(1).says("folder.html");
    assert_eq!(project.files(), before);
}

/// The lines of the list that a page shows.
fn lines(page: &str) -> Vec<u64> {
    let number = |rest: &str| rest.split(',').next().and_then(|number| number.parse().ok());
    page.split("<h3>line ").skip(1).filter_map(number).collect()
}

#[test]
fn preview_says_which_messages_a_page_shows() {
    let project = offline().people(250);
    let chosen = page(&project, &[]);
    assert!(chosen.contains("250 messages to send"));
    assert_eq!(lines(&chosen), [2, 3, 4], "all are alike, so a few show them");
    assert_eq!(lines(&page(&project, &["--preview", "3"])), [2, 3, 4]);
    assert_eq!(lines(&page(&project, &["--preview", "3", "--only", "150"])), [51]);
    let all = page(&project, &["--preview", "all"]);
    assert_eq!(lines(&all).len(), 200);
    assert!(all.contains("The first 200 messages: a page shows no more"));
    assert_eq!(lines(&page(&project, &["--format", "json"])), [2, 3, 4], "the format is that of standard output");
}

#[test]
fn a_page_with_nobody_on_it_says_so() {
    let project = offline().people(1).setting("recipients: { file: list.csv, where: 'false' }");
    let page = page(&project, &[]);
    assert!(page.contains("0 messages to send") && page.contains("No messages"));
}

#[test]
fn marks_are_drawn_and_lines_kept() {
    let project = offline().list("conversation_id,v\n101,\"*a*\r\n_b_ ~c~ ```d``` https://example.com/x_y_z.\"\n");
    let page = page(&project.message("{ content: '{{ v }}' }"), &[]);
    let text = "<strong>a</strong>\n<em>b</em> <s>c</s> <code>d</code> <span \
         class=\"link\">https://example.com/x_y_z</span>.</p>";
    assert!(unescaped(&page).contains(text), "{page}");
}

#[test]
fn a_note_and_a_customers_own_message_look_like_what_they_are() {
    let project = offline().people(1);
    let note = page(&project, &[]);
    assert!(note.contains("chat outgoing") && !note.contains("Only agents see this"));
    let project = project.message("{ content: 'x', private: true }");
    let note = page(&project, &[]);
    assert!(note.contains("chat note") && note.contains("Only agents see this"));
    let project = project.message("{ content: 'x', message_type: incoming }");
    assert!(page(&project, &[]).contains("chat incoming"));
}

#[test]
fn a_warning_stands_below_its_message() {
    let project = offline().list("conversation_id,v\n101,plain\n102,\"a 'quoted' <word>\"\n");
    let project = project.message(
        "{ content: '{{ v }}', template_params: { name: t, language: en, processed_params: { '1': '{{ v }}' } } }",
    );
    let page = page(&project, &[]);
    let (plain, warned) = page.split_once("<h3>line 3").unwrap();
    assert!(warned.contains("<strong>Warning:</strong>"), "{page}");
    assert!(!plain.contains("<strong>Warning:</strong>"));
}

#[test]
fn attachments_are_named_with_their_kind_and_size() {
    let project = offline().people(1).file("files/terms.pdf", vec![b'x'; 1_500]);
    let page = page(&project.message("{ content: 'x', attachments: ['files/terms.pdf'] }"), &[]);
    assert!(page.contains("terms.pdf") && unescaped(&page).contains("application/pdf, 1.5 kB"), "{page}");
}
