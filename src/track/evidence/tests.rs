//! What is evident from a conversation, and what is not.

use super::*;
use crate::receipt::MessageStatus;

const TEXT: &str = "Hello Ada,\nyour order 4711 has been sent.";
/// The claim, in seconds.
const CLAIMED: i64 = 1_000_000;

fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn message(id: u64, second: i64, content: &str) -> ObservedMessage {
    ObservedMessage {
        id: MessageId(id),
        conversation_id: Some(ConversationId(7)),
        direction: Direction::Outgoing,
        sender: None,
        status: Some(MessageStatus::Sent),
        external_error: None,
        source_id: None,
        created_at: Some(time(second)),
        content: Some(content.to_owned()),
        is_private: false,
        is_deleted: false,
    }
}

fn wanted() -> Wanted {
    Wanted { conversation_id: ConversationId(7), text: TEXT.to_owned(), claimed_at: time(CLAIMED) }
}

fn baseline() -> Baseline {
    Baseline { clock_ahead: Some(SignedDuration::ZERO), is_proven: true, now: time(CLAIMED + 3_600) }
}

fn found_with(messages: &[ObservedMessage], baseline: &Baseline) -> Finding {
    let thread = Thread { messages: messages.to_vec(), gap: None };
    find(&thread, &wanted(), &BTreeSet::new(), baseline)
}

fn found(messages: &[ObservedMessage]) -> Finding {
    found_with(messages, &baseline())
}

fn sent(id: u64) -> impl Fn(&Finding) -> bool {
    move |finding| matches!(finding, Finding::Sent { message_id, .. } if message_id.0 == id)
}

#[test]
fn the_message_is_found_by_text_and_time() {
    let messages = [message(1, CLAIMED - 90_000, TEXT), message(2, CLAIMED + 1, "another"), message(3, CLAIMED, TEXT)];
    assert!(sent(3)(&found(&messages)));
    let written = "  Hello Ada,\r\nyour order 4711 has been sent.  \n";
    assert!(sent(4)(&found(&[message(4, CLAIMED + 3, written)])), "ends of lines are no difference");
}

#[test]
fn clocks_that_differ_by_hours_make_no_difference_where_that_is_known() {
    for hours in [-9, 9] {
        let messages = [message(1, CLAIMED, TEXT), message(3, CLAIMED + hours * 3_600, TEXT)];
        let ahead = Baseline { clock_ahead: Some(SignedDuration::from_hours(hours)), ..baseline() };
        assert!(sent(3)(&found_with(&messages, &ahead)));
        assert!(sent(1)(&found(&messages)), "with clocks that agree it is the other one");
    }
    let unknown = Baseline { clock_ahead: None, ..baseline() };
    assert_eq!(
        found_with(&[message(1, CLAIMED, TEXT)], &unknown),
        Finding::Unclear(Doubt::SameText(MessageId(1))),
        "nobody knows when that was"
    );
}

#[test]
fn a_message_of_the_same_text_from_another_time_proves_nothing() {
    for second in [CLAIMED - 60, CLAIMED - 3_000, CLAIMED + 700, CLAIMED + 90_000] {
        let finding = found(&[message(1, second, TEXT)]);
        assert_eq!(finding, Finding::Unclear(Doubt::SameText(MessageId(1))), "{second}");
    }
    assert!(matches!(found(&[message(1, CLAIMED - 4_000, TEXT)]), Finding::NotSent { .. }), "an agent's, long before");
}

#[test]
fn what_is_not_there_was_not_sent_if_nothing_speaks_against_it() {
    let others = [message(1, CLAIMED - 10, "Hi"), message(2, CLAIMED + 10, "How are you?")];
    assert_eq!(found(&others), Finding::NotSent { messages: 2, after: Duration::from_secs(3_600) });
    assert!(matches!(found(&[]), Finding::NotSent { messages: 0, .. }));
    let early = Baseline { now: time(CLAIMED + 599), ..baseline() };
    assert_eq!(found_with(&others, &early), Finding::Unclear(Doubt::TooEarly));
    let earlier_than_claimed = Baseline { now: time(CLAIMED - 599), ..baseline() };
    assert_eq!(found_with(&others, &earlier_than_claimed), Finding::Unclear(Doubt::TooEarly), "a clock was set");
    let unproven = Baseline { is_proven: false, ..baseline() };
    assert_eq!(found_with(&others, &unproven), Finding::Unclear(Doubt::Unproven));
    for gap in [Gap::TooLong, Gap::NoPages, Gap::Unreadable] {
        let thread = Thread { messages: others.to_vec(), gap: Some(gap) };
        let finding = find(&thread, &wanted(), &BTreeSet::new(), &baseline());
        assert_eq!(finding, Finding::Unclear(Doubt::Gap(gap)));
    }
}

#[test]
fn what_may_have_been_this_message_is_not_called_missing() {
    let deleted = ObservedMessage { is_deleted: true, ..message(5, CLAIMED, "This message was deleted") };
    let unreadable = ObservedMessage { content: None, ..message(5, CLAIMED, "") };
    let undated =
        ObservedMessage { created_at: None, ..message(5, CLAIMED, "HELLO ADA your order: 4711 has been sent") };
    let cut_off = message(5, CLAIMED, "Hello Ada, your order 4711");
    let signed = message(5, CLAIMED, &format!("{TEXT}\n\nBest regards"));
    for message in [deleted, unreadable, undated, cut_off, signed] {
        let finding = found(std::slice::from_ref(&message));
        assert_eq!(finding, Finding::Unclear(Doubt::Resembles(MessageId(5))), "{message:?}");
    }
    let old = ObservedMessage { is_deleted: true, ..message(5, CLAIMED - 90_000, "This message was deleted") };
    assert!(matches!(found(&[old]), Finding::NotSent { .. }));
}

#[test]
fn messages_of_others_are_not_ours() {
    let incoming = ObservedMessage { direction: Direction::Incoming, ..message(1, CLAIMED, TEXT) };
    let activity = ObservedMessage { direction: Direction::Activity, ..message(2, CLAIMED, TEXT) };
    let note = ObservedMessage { is_private: true, ..message(3, CLAIMED, TEXT) };
    assert!(matches!(found(&[incoming, activity, note]), Finding::NotSent { .. }));
    let thread = Thread { messages: vec![message(4, CLAIMED, TEXT)], gap: None };
    let finding = find(&thread, &wanted(), &BTreeSet::from([MessageId(4)]), &baseline());
    assert!(matches!(finding, Finding::NotSent { .. }), "another delivery's: {finding:?}");
}

#[test]
fn of_several_with_one_text_all_or_none_are_found() {
    let wanted = [&wanted(), &wanted()];
    let all = |messages: &[ObservedMessage]| {
        let thread = Thread { messages: messages.to_vec(), gap: None };
        find_all(&thread, &wanted, &BTreeSet::new(), &baseline())
    };
    let both = all(&[message(1, CLAIMED, TEXT), message(2, CLAIMED + 1, TEXT)]);
    assert!(sent(1)(&both[0]) && sent(2)(&both[1]), "{both:?}");
    assert_eq!(all(&[message(1, CLAIMED, TEXT)]), [Finding::Unclear(Doubt::Shared), Finding::Unclear(Doubt::Shared)]);
    assert!(all(&[]).iter().all(|finding| matches!(finding, Finding::NotSent { .. })));
}
