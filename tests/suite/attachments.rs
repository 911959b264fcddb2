//! Files that a message carries: inside the spec's folder, and the same from the check to the send.

use std::fs;

use crate::harness::{Desk, Project};
use crate::validation::refused;

#[test]
fn an_attachment_must_be_a_file_inside_the_folder() {
    let list = "conversation_id,file\n101,none.png\n102,../outside.png\n103,/etc/hosts\n104,link.png\n105,sub\n106,empty.png\n";
    let outside = tempfile::NamedTempFile::new().unwrap();
    fs::write(outside.path(), "secret").unwrap();
    let stderr = refused(
        |project| {
            let project = project.file("sub/ok.png", "png").file("empty.png", "").list(list);
            std::os::unix::fs::symlink(outside.path(), project.path("link.png")).unwrap();
            project.message("{ content: Hi, attachments: ['{{ file }}'] }")
        },
        &[],
    );
    insta::assert_snapshot!(stderr);
}

#[test]
fn an_attachment_inside_the_folder_is_sent() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).list("conversation_id,file\n101,sub/ok.png\n").file("sub/ok.png", "png!");
    project.message("{ content: Hi, attachments: ['{{ file }}'] }").run(&[]).exits(0);
    let body = &desk.messages()[0]["body"];
    assert_eq!(body["fields"]["content"], "Hi");
    insta::assert_json_snapshot!(body);
}

/// Some would have one version and some the other.
#[test]
fn an_attachment_that_changes_during_a_run_ends_it() {
    let desk = Desk::late_for(105, "1s");
    let project = Project::at(&desk).people(9).send("concurrency: 1").file("price.pdf", "old");
    let project = project.message("{ content: Hi, attachments: [price.pdf] }");
    let run = project.start(&[]);
    desk.wait_for_messages(5);
    fs::write(project.path("price.pdf"), "new").unwrap();
    run.finish().exits(5).says("price.pdf: the file has changed since it was checked");
    assert_eq!((project.count("accepted"), project.count("pending")), (5, 4));
}

#[test]
fn an_attachment_that_changes_between_two_runs_is_a_changed_message() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(5).file("price.pdf", "old");
    let project = project.message("{ content: Hi, attachments: [price.pdf] }");
    project.run(&["--limit", "2"]).exits(0);
    project.run(&["--limit", "1"]).exits(0);
    fs::write(project.path("price.pdf"), "new").unwrap();
    project.run(&[]).exits(2).says("message.attachments, price.pdf").says("--accept-changes");
    assert_eq!(desk.messages().len(), 3);
    project.run(&["--accept-changes", "--limit", "1"]).exits(0);
    fs::remove_file(project.path("list.csv")).unwrap();
    project.run(&[]).exits(0);
    assert_eq!(project.count("accepted"), 5);
}
