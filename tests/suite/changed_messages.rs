//! A message that has changed since some have got it: nobody new gets it unasked.

#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]

use crate::harness::{Desk, Project};

fn texts(desk: &Desk) -> Vec<String> {
    desk.messages().iter().map(|entry| entry["body"]["content"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_changed_message_goes_to_nobody_new_unasked() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(2).message("{ content: Hello }");
    project.run(&[]).exits(0);
    // Nobody is left to send to, so the change need not be decided about; nor is it by this.
    let project = project.message("{ content: Goodbye }");
    project.run(&[]).exits(0);
    let project = project.people(3);
    for flags in [&[][..], &["--yes"], &["--limit", "0"], &["--retry-failed"]] {
        project.run(flags).exits(2).says("send it with `--accept-changes`");
    }
    assert_eq!(texts(&desk), ["Hello", "Hello"]);
    project.run(&["--dry-run"]).exits(0).says("pass `--accept-changes`");
    project.run(&["--accept-changes"]).exits(0);
    assert_eq!(texts(&desk), ["Hello", "Hello", "Goodbye"]);
    // Accepted once, it is the message of this campaign.
    project.people(4).run(&[]).exits(0);
    assert_eq!(texts(&desk).len(), 4);
}

#[test]
fn what_was_declined_is_asked_again_and_its_list_is_forgotten() {
    let desk = Desk::friendly();
    let project = Project::at(&desk).people(3).message("{ content: Hello }");
    project.run(&["--limit", "1"]).exits(0);
    let before = project.campaign(&["status", "campaign.yaml"]).exits(0).stdout;
    let project = project.people(9).message("{ content: Goodbye }");
    project.run(&[]).exits(2);
    let project = project.message("{ content: Hello }");
    assert_eq!(project.campaign(&["status", "campaign.yaml"]).exits(0).stdout, before);
    assert_eq!(desk.messages().len(), 1);
}
