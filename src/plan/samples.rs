//! Which messages to look at before sending: few, and so chosen that they reveal what the others are like.

use std::collections::BTreeMap;

use crate::message::Delivery;
use crate::problem::Problem;
use crate::recipients::Row;

/// Ways, languages and warnings of each kind that are shown at most.
const MAX_SAMPLES: usize = 5;

/// So few are shown whether or not there is anything about them.
const MIN_SAMPLES: usize = 3;

/// A message that is shown.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Its row.
    pub row: Row,
    /// The message and whom it goes to.
    pub delivery: Delivery,
    /// Why it was chosen.
    pub why: Vec<String>,
}

/// Chooses while messages pass by in the order of the list.
#[derive(Debug, Default)]
pub struct Sampler {
    first: Vec<Picked>,
    longest: Option<(usize, Picked)>,
    shortest: Option<(usize, Picked)>,
    languages: BTreeMap<String, Picked>,
    by_branches: BTreeMap<String, Picked>,
    warned: Vec<Picked>,
}

type Picked = (Row, Delivery);

impl Sampler {
    /// Looks at a message. `branches_taken` is which way its row goes where the templates branch.
    pub fn see(&mut self, row: &Row, delivery: &Delivery, branches_taken: String) {
        let picked = || (row.clone(), delivery.clone());
        let length = serde_json::to_string(&delivery.message).map_or(0, |text| text.chars().count());
        if self.first.len() < MIN_SAMPLES {
            self.first.push(picked());
        }
        if self.longest.as_ref().is_none_or(|(most, _)| length > *most) {
            self.longest = Some((length, picked()));
        }
        if self.shortest.as_ref().is_none_or(|(least, _)| length < *least) {
            self.shortest = Some((length, picked()));
        }
        if let Some(params) = &delivery.message.template_params
            && self.languages.len() < MAX_SAMPLES
            && !self.languages.contains_key(&params.language)
        {
            self.languages.insert(params.language.clone(), picked());
        }
        if self.by_branches.len() < MAX_SAMPLES && !self.by_branches.contains_key(&branches_taken) {
            self.by_branches.insert(branches_taken, picked());
        }
        if !delivery.warnings.is_empty() && self.warned.len() < MAX_SAMPLES {
            self.warned.push(picked());
        }
    }

    /// The chosen ones in the order of the list, each once with all that it was chosen for.
    pub fn chosen(self) -> Vec<Sample> {
        let mut chosen: BTreeMap<u64, Sample> = BTreeMap::new();
        let mut show = |(row, delivery): Picked, why: &str| {
            let shown = chosen.entry(row.line).or_insert_with(|| Sample { row, delivery, why: Vec::new() });
            shown.why.extend((!why.is_empty()).then(|| why.to_owned()));
        };
        let same_length = self.longest.as_ref().map(|(most, _)| most) == self.shortest.as_ref().map(|(least, _)| least);
        self.first.first().into_iter().for_each(|picked| show(picked.clone(), "the first"));
        if !same_length {
            self.longest.into_iter().for_each(|(_, picked)| show(picked, "the longest"));
            self.shortest.into_iter().for_each(|(_, picked)| show(picked, "the shortest"));
        }
        if self.languages.len() > 1 {
            self.languages.into_iter().for_each(|(language, picked)| show(picked, &format!("in {language}")));
        }
        if self.by_branches.len() > 1 {
            self.by_branches.into_values().for_each(|picked| show(picked, "takes another branch of the templates"));
        }
        for (row, delivery) in self.warned {
            let warnings: Vec<String> = delivery.warnings.iter().map(Problem::message).collect();
            show((row, delivery), &format!("with a warning: {}", warnings.join("; ")));
        }
        for (row, delivery) in self.first {
            if chosen.len() < MIN_SAMPLES {
                chosen.entry(row.line).or_insert_with(|| Sample { row, delivery, why: Vec::new() });
            }
        }
        chosen.into_values().collect()
    }
}
