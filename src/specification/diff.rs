//! What a changed spec means for those who are still pending.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// A key that says something else than it did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The key, such as `message.content`.
    pub key: String,
    /// What it said; `None` if it was not there.
    pub was: Option<String>,
    /// What it says; `None` if it is not there any more.
    pub now: Option<String>,
}

/// The keys whose values differ between two specs, in the order of the alphabet, `send` and `report` apart: they say how
/// fast and where to, not what.
pub(super) fn differences(old: &str, new: &str) -> Vec<Difference> {
    let (old, new) = (leaves(old), leaves(new));
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    keys.into_iter()
        .filter(|key| old.get(*key) != new.get(*key))
        .filter(|key| !["send", "report", "description", "livedesk"].iter().any(|part| key.starts_with(part)))
        .map(|key| Difference { key: key.clone(), was: old.get(key).cloned(), now: new.get(key).cloned() })
        .collect()
}

/// Every value of a YAML text under its key; nothing if it cannot be read.
fn leaves(text: &str) -> BTreeMap<String, String> {
    let mut leaves = BTreeMap::new();
    if let Ok(value) = serde_yaml::from_str::<Value>(text) {
        collect("", &value, &mut leaves);
    }
    leaves
}

fn collect(key: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let below = |part: &str| if key.is_empty() { part.to_owned() } else { format!("{key}.{part}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(part, value)| collect(&below(part), value, into)),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, value)| collect(&below(&at.to_string()), value, into));
        }
        leaf => {
            into.insert(key.to_owned(), leaf.as_str().map_or_else(|| leaf.to_string(), str::to_owned));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Difference, differences};

    #[test]
    fn changed_keys_are_named_and_speed_is_not_a_change() {
        let old = "name: a\nmessage: { content: Hi, private: true }\nsend: { rate: 1/s }\n";
        let new = "name: a\nmessage: { content: Hello }\nvars: { shop: x }\nsend: { rate: 2/s }\n";
        let changed = |key: &str, was: Option<&str>, now: Option<&str>| Difference {
            key: key.to_owned(),
            was: was.map(str::to_owned),
            now: now.map(str::to_owned),
        };
        let expected = [
            changed("message.content", Some("Hi"), Some("Hello")),
            changed("message.private", Some("true"), None),
            changed("vars.shop", None, Some("x")),
        ];
        assert_eq!(differences(old, new), expected);
        assert!(differences(old, old).is_empty());
    }
}
