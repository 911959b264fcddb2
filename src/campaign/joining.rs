//! Joining others who work on the campaign: whoever comes later takes no list in, and must send the very same.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};

use super::inputs::{self, List};
use super::{Campaign, CampaignError, Changes, EnrolmentOptions, EnrolmentReport, Notice, Operator, changes};
use crate::ledger::{self, Fingerprint, Holder, Ledger, LedgerError};
use crate::problem::{Place, Problem};

impl<L: Ledger> Campaign<L> {
    /// Everything up to the plan, for a worker that joins others.
    pub(super) async fn join(
        &mut self,
        other: Holder,
        list: Option<List>,
        operator: &impl Operator,
    ) -> Result<(), CampaignError> {
        if self.options.enrolment.retry.is_some() {
            // That changes what the others have taken in.
            return Err(LedgerError::InUse(other).into());
        }
        let report = match list {
            Some(list) => {
                let options = EnrolmentOptions { fingerprint: true, ..self.options.enrolment.clone() };
                inputs::enroll_list(&ledger::scratch()?, &self.evaluator, list, options, operator).await?
            }
            None => {
                let version = self.ledger.version().await?.unwrap_or_default();
                let attachments = changes::attachments_now(&self.spec, &version);
                EnrolmentReport { attachments, ..EnrolmentReport::default() }
            }
        };
        self.attachments.clone_from(&report.attachments);
        let differences = self.ledger.compare_fingerprint(self.fingerprint(&report)).await?;
        if !differences.is_empty() {
            return Err(self.differs(&other, &differences));
        }
        operator.notice(Notice::Joined { other: &other });
        self.refuse_older_ledger().await?;
        let pending = self.select(&report, operator).await?;
        self.scan_pending().await?;
        self.finish_plan(report, Changes::default(), pending).await
    }

    /// What this worker sends.
    pub(super) fn fingerprint(&self, report: &EnrolmentReport) -> Fingerprint {
        let attachments: BTreeMap<_, _> = report.attachments.iter().collect();
        Fingerprint {
            spec: hash(&self.spec.source.text),
            vars: serde_json::to_string(&self.spec.vars).unwrap_or_default(),
            attachments: hash(&serde_json::to_string(&attachments).unwrap_or_default()),
            list: report.fingerprint.clone(),
        }
    }

    fn differs(&self, other: &Holder, differences: &[&str]) -> CampaignError {
        let what = format!(
            "this campaign is being run by {other}, and what differs here is: {}; workers must all send the same",
            differences.join(", ")
        );
        let problem = Problem::error("worker-differs", Place::file(&self.spec.source.name), what);
        vec![problem.hint("use the same files and flags, or wait until the others are done, and then run again")].into()
    }
}

fn hash(text: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, text.as_bytes()).as_ref())
}
