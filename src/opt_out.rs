//! Whether a reply says that its author wants no more messages.
//!
//! Only a reply that says nothing else is an opt-out: `STOP!`, `Abmelden`, 退订. A reply that says more (`don't stop`,
//! `when does this stop?`) is for a person to read. Case, punctuation, emoji and full-width letters make no difference.
//! Knows nothing of messages, storage and time.

use std::collections::HashSet;

use crate::receipt::OptOut;

/// Replies that are an opt-out, by language.
#[rustfmt::skip]
const REPLIES: &[&[&str]] = &[
    // English, and what carriers and WhatsApp's partners know everywhere.
    &["stop", "stop all", "stopall", "stop promotions", "stop messages", "unsubscribe", "unsub", "cancel", "end", "quit",
      "remove", "remove me", "opt out", "optout", "revoke", "no more", "no more messages", "stop please", "please stop"],
    // German.
    &["stopp", "stop bitte", "stopp bitte", "bitte stop", "bitte stopp", "abmelden", "abmeldung", "abbestellen", "austragen", "keine werbung",
      "keine nachrichten mehr", "keine werbung mehr"],
    // French.
    &["arret", "arrêt", "arreter", "arrêter", "arretez", "arrêtez", "stop pub", "stop sms", "désabonner", "desabonner",
      "désinscrire", "desinscrire", "désinscription", "se désabonner", "plus de messages"],
    // Spanish.
    &["baja", "dar de baja", "darme de baja", "darse de baja", "cancelar", "parar", "alto", "detener", "no más", "no mas",
      "no más mensajes", "no mas mensajes", "cancelar suscripción", "cancelar suscripcion"],
    // Portuguese.
    &["sair", "pare", "parem", "descadastrar", "cancelar inscrição", "cancelar inscricao", "não quero mais", "nao quero mais",
      "remover"],
    // Italian.
    &["annulla", "disiscrivimi", "disiscriviti", "cancellami", "basta", "ferma", "stop messaggi"],
    // Dutch, Danish, Norwegian, Swedish, Finnish.
    &["afmelden", "uitschrijven", "stoppen", "afmeld", "frameld", "avmeld", "avsluta", "avregistrera", "avprenumerera", "lopeta", "peruuta"],
    // Polish, Czech, Slovak, Hungarian, Romanian.
    &["wypisz", "wypisz mnie", "rezygnuję", "rezygnuje", "odhlásit", "odhlasit", "zrušit", "zrusit", "leiratkozás", "leiratkozom",
      "dezabonare", "dezabonez"],
    // Russian, Ukrainian.
    &["стоп", "отписаться", "отписка", "отмена", "відписатися", "скасувати"],
    // Turkish, Greek.
    &["dur", "iptal", "iptal et", "ret", "διακοπη", "διακοπή", "διαγραφή", "διαγραφη"],
    // Arabic, Hebrew, Hindi.
    &["توقف", "إيقاف", "ايقاف", "إلغاء", "الغاء", "إلغاء الاشتراك", "الغاء الاشتراك", "הסר", "הסירו", "הסרה", "रोकें", "बंद करें"],
    // Indonesian, Malay, Vietnamese, Thai.
    &["berhenti", "batal", "henti", "hentikan", "dừng", "hủy", "huỷ", "huy", "ยกเลิก", "หยุด"],
    // Chinese.
    &["停止", "退订", "退訂", "取消订阅", "取消訂閱", "取消", "拒收", "td", "t", "不要再发", "不要再發", "停止发送", "停止發送"],
    // Japanese, Korean.
    &["配信停止", "解除", "登録解除", "配信解除", "停止してください", "ストップ", "수신거부", "거부", "중지", "구독취소", "구독 취소", "해지"],
];

/// Words for which a person should read a reply that has them among others.
#[rustfmt::skip]
const TELLING: &[&str] = &[
    "stop", "stopp", "stopped", "unsubscribe", "unsubscribed", "unsub", "optout", "abmelden", "abgemeldet", "abbestellen", "austragen",
    "arret", "arrêt", "arrêter", "arreter", "arrêtez", "arretez", "désabonner", "desabonner", "désinscrire", "desinscrire",
    "baja", "descadastrar", "disiscrivimi", "afmelden", "uitschrijven", "avregistrera", "avprenumerera",
    "стоп", "отписаться", "отпишите", "відписатися", "iptal", "إيقاف", "ايقاف", "إلغاء", "الغاء", "berhenti", "hentikan", "spam",
];

/// The same where words are not separated by spaces.
const TELLING_PARTS: &[&str] =
    &["退订", "退訂", "取消订阅", "取消訂閱", "拒收", "停止", "配信停止", "解除", "수신거부", "구독취소", "ยกเลิก"];

/// A word of this length or more may have a slip of the finger in it.
const LONG: usize = 6;

/// A longer reply is no opt-out with a slip, and costs no time.
const MAX_LENGTH: usize = 2_000;

/// What replies are opt-outs: the known ones and a campaign's own.
#[derive(Debug, Clone)]
pub struct OptOutWords {
    replies: HashSet<String>,
}

impl OptOutWords {
    /// The known replies, and these: `track.opt_out.words`, and the payloads or labels of the campaign's opt-out buttons.
    pub fn new<'w>(own: impl IntoIterator<Item = &'w str>) -> Self {
        let known = REPLIES.iter().flat_map(|language| language.iter().copied());
        let replies = known.chain(own).map(normalized).filter(|reply| !reply.is_empty()).collect();
        Self { replies }
    }

    /// Whether a reply is an opt-out, or may be one.
    pub fn classify(&self, reply: &str) -> Option<OptOut> {
        let short: String = reply.chars().take(MAX_LENGTH).collect();
        let text = normalized(&short);
        if text.is_empty() {
            return None;
        }
        let is_whole = short.len() == reply.len();
        if is_whole && self.replies.contains(&text) {
            return Some(OptOut::Yes);
        }
        let is_telling = |word: &str| TELLING.contains(&word);
        let is_near = text.split(' ').any(is_telling)
            || TELLING_PARTS.iter().any(|part| text.contains(part))
            || self.is_slip(&text);
        is_near.then_some(OptOut::Maybe)
    }

    /// Whether a reply is one letter away from an opt-out: `unsubscibe`.
    fn is_slip(&self, text: &str) -> bool {
        let length = text.chars().count();
        (LONG..=40).contains(&length)
            && self.replies.iter().any(|reply| {
                reply.chars().count().abs_diff(length) <= 1
                    && reply.chars().count() >= LONG
                    && strsim::osa_distance(reply, text) <= 1
            })
    }
}

impl Default for OptOutWords {
    fn default() -> Self {
        Self::new([])
    }
}

/// Whether a button's payload says that pressing it is an opt-out: `OPT_OUT`, `stop-promotions`.
pub fn is_opt_out_payload(payload: &str) -> bool {
    let text = normalized(payload);
    let is_sign = |word: &str| matches!(word, "stop" | "stopp" | "unsubscribe" | "unsub" | "optout");
    text.split(' ').any(is_sign) || text.contains("opt out") || OptOutWords::default().replies.contains(&text)
}

/// A reply as it is compared: in lower case, its words separated by one space, without punctuation and emoji.
pub fn normalized(reply: &str) -> String {
    let mut text = String::with_capacity(reply.len());
    for c in reply.chars().map(narrow) {
        // An apostrophe is inside of a word; whatever else is no letter and no digit separates two.
        if c.is_alphanumeric() || is_mark(c) {
            text.extend(c.to_lowercase());
        } else if !matches!(c, '\'' | '’' | '\u{200b}'..='\u{200f}' | '\u{fe0f}') && !text.ends_with(' ') {
            text.push(' ');
        }
    }
    text.trim().to_owned()
}

/// A full-width letter as the usual one.
fn narrow(c: char) -> char {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        '\u{3000}' => ' ',
        c => c,
    }
}

/// Accents and vowel signs that follow their letter: part of the word.
const fn is_mark(c: char) -> bool {
    matches!(c, '\u{300}'..='\u{36f}' | '\u{93c}' | '\u{94d}' | '\u{e31}' | '\u{e34}'..='\u{e3a}' | '\u{e47}'..='\u{e4e}' | '\u{64b}'..='\u{65f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whole_replies_are_opt_outs_however_they_are_written() {
        let words = OptOutWords::default();
        for reply in [
            "STOP",
            "stop",
            " Stop! ",
            "S T O P".replace(' ', "").as_str(),
            "\"Stop\"",
            "STOP 🙏",
            "ＳＴＯＰ",
            "Unsubscribe.",
            "Opt-out",
            "opt_out",
            "STOPP",
            "Abmelden",
            "ARRÊT",
            "stop pub",
            "BAJA",
            "cancelar",
            "Sair.",
            "停止",
            "退订",
            "退訂。",
            "取消订阅",
            "配信停止",
            "СТОП",
            "수신거부",
            "إلغاء",
            "หยุด",
            "हमें".replace("हमें", "रोकें").as_str(),
            "T",
            "stop\n",
        ] {
            assert_eq!(words.classify(reply), Some(OptOut::Yes), "{reply:?}");
        }
    }

    #[test]
    fn replies_that_say_more_are_for_a_person() {
        let words = OptOutWords::default();
        for reply in [
            "please don't stop",
            "When does this stop?",
            "I want to unsubscribe from this",
            "unsubscibe",
            "abmeldne",
            "Ich möchte mich abmelden, danke",
            "请帮我退订谢谢",
            "this is spam",
        ] {
            assert_eq!(words.classify(reply), Some(OptOut::Maybe), "{reply:?}");
        }
        let long = format!("stop {}", "x".repeat(10_000));
        assert_eq!(words.classify(&long), Some(OptOut::Maybe));
    }

    #[test]
    fn other_replies_are_none() {
        let words = OptOutWords::default();
        for reply in
            ["", "   ", "👍", "!!!", "Thanks!", "yes", "stopwatch", "bus stops", "shop", "Ok, at the end of May", "42"]
        {
            assert_eq!(words.classify(reply), None, "{reply:?}");
        }
    }

    #[test]
    fn a_campaign_has_words_of_its_own() {
        let words = OptOutWords::new(["No thanks!", "OPT_OUT_NOVEMBER", "..."]);
        for reply in ["no thanks", "NO, THANKS", "opt out november"] {
            assert_eq!(words.classify(reply), Some(OptOut::Yes), "{reply:?}");
        }
        assert_eq!(words.classify("..."), None);
        for (payload, is) in [
            ("OPT_OUT", true),
            ("stop-promotions", true),
            ("UNSUBSCRIBE_ALL", true),
            ("TRACK_42", false),
            ("YES", false),
        ] {
            assert_eq!(is_opt_out_payload(payload), is, "{payload}");
        }
    }

    #[test]
    fn every_known_reply_is_written_as_it_is_compared() {
        for reply in REPLIES.iter().flat_map(|language| language.iter()) {
            assert_eq!(&normalized(reply), reply);
        }
        for word in TELLING {
            assert_eq!(&normalized(word), word);
        }
    }

    proptest! {
        #[test]
        fn case_and_punctuation_make_no_difference(
            reply in prop::sample::select(REPLIES.concat()),
            before in "[ .!?\"()*-]{0,4}",
            after in "[ .!?\"()*-]{0,4}",
        ) {
            let written = format!("{before}{}{after}", reply.to_uppercase());
            // Upper case loses what the letter was in some scripts.
            prop_assume!(reply.to_uppercase().to_lowercase() == reply);
            prop_assert_eq!(OptOutWords::default().classify(&written), Some(OptOut::Yes), "{}", written);
        }

        #[test]
        fn no_reply_is_too_odd(reply in "\\PC{0,200}") {
            let _ = OptOutWords::default().classify(&reply);
        }
    }
}
