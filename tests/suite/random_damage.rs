//! Anything in `.campaign/` is damaged at random between two runs: nobody gets it twice, and the next run is either right or
//! ends with an error that says what to do. `DAMAGE_TRIALS` and `DAMAGE_SEED` are read from the environment.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests, which the lint does not see")]
#![expect(clippy::disallowed_methods, reason = "the number of trials is given by the environment")]
#![expect(clippy::print_stdout, reason = "a failure shows what was done")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};
use std::path::PathBuf;

use crate::harness::{Desk, Project};
use crate::random::Random;

const PEOPLE: u64 = 40;
const FOLDER: &str = ".campaign";
const LEDGER: &str = "c.sqlite";
const PAGE: u64 = 4096;

/// Words of which each refusal has one: what is wrong is not enough, somebody has to know what to do.
const ADVICE: [&str; 9] =
    ["remove it", "restore", "Restore", "move", "Move", "--first-run", "mounted", "keep the one", "must be writable"];

/// The files of the folder by name.
type Files = BTreeMap<String, Vec<u8>>;

fn files(project: &Project) -> Files {
    let entries = fs::read_dir(project.path(FOLDER)).into_iter().flatten();
    let file = |path: PathBuf| Some((path.file_name()?.to_str()?.to_owned(), fs::read(&path).ok()?));
    entries.filter_map(|entry| file(entry.unwrap().path())).collect()
}

/// One campaign: a few runs, some of them killed, then damage, then runs that must be right or refuse.
struct Trial<'r> {
    random: &'r mut Random,
    desk: Desk,
    project: Project,
    /// Copies of the folder, as they were between runs.
    copies: Vec<Files>,
    /// The folder of another campaign with the same list, of whom it has sent to a few.
    other: Files,
    /// Whether the last run came to its end, so that there is a report of it.
    ended: bool,
    done: Vec<String>,
}

impl Trial<'_> {
    /// One of so many.
    fn pick(&mut self, of: usize) -> usize {
        usize::try_from(self.random.below(of as u64)).unwrap()
    }

    /// An earlier state of the folder.
    fn older(&mut self) -> Files {
        let copy = self.pick(self.copies.len());
        self.copies[copy].clone()
    }

    /// A few runs of which each does some of the work.
    fn begin(&mut self) {
        for _ in 0..=self.random.below(3) {
            let some = 1 + self.random.below(12);
            self.ended = self.random.below(2) == 0;
            if self.ended {
                let ran = self.project.run(&["--limit", &some.to_string()]);
                assert!(matches!(ran.code, Some(0 | 4)), "{ran:?}");
            } else {
                let before = self.desk.messages().len();
                let mut run = self.project.start(&[]);
                while self.desk.messages().len() < before + usize::try_from(some).unwrap() && !run.has_ended() {}
                run.kill();
            }
            self.done.push(format!("{} {some}", if self.ended { "run" } else { "killed at" }));
            self.copies.push(files(&self.project));
            if !self.ended {
                // The next run finds claims without an outcome, which is no error.
                self.project.run(&["--limit", "1"]);
                self.ended = true;
                if self.random.below(2) == 0 {
                    let mut run = self.project.start(&[]);
                    let before = self.desk.messages().len();
                    while self.desk.messages().len() < before + 3 && !run.has_ended() {}
                    self.ended = !run.kill();
                    self.done.push("killed".to_owned());
                }
            }
        }
    }

    /// Does something to a file, or to the folder.
    fn damage(&mut self) {
        let names: Vec<String> = files(&self.project).into_keys().collect();
        let name = names[self.pick(names.len())].clone();
        match self.random.below(3) {
            0 => self.damage_bytes(&name),
            1 => self.damage_file(&name, &names),
            _ => self.replace_files(&name),
        }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.project.path(FOLDER).join(name)
    }

    /// Bits, pages and lengths.
    fn damage_bytes(&mut self, name: &str) {
        let bytes = fs::read(self.file(name)).unwrap();
        let length = bytes.len() as u64;
        let at = if length > 0 { self.random.below(length) } else { 0 };
        let file = File::options().write(true).open(self.file(name)).unwrap();
        let kind = self.random.below(7);
        self.done.push(format!("bytes {kind} of {name} of {length} at {at}"));
        match kind {
            0 | 1 => {
                for _ in 0..=self.random.below(3) {
                    let at = if length > 0 { self.random.below(length) } else { 0 };
                    let byte = bytes.get(usize::try_from(at).unwrap()).copied().unwrap_or_default();
                    file.write_all_at(&[byte ^ (1 << self.random.below(8))], at).unwrap();
                }
            }
            2 => file.set_len(at).unwrap(),
            3 => file.set_len(at / PAGE * PAGE).unwrap(),
            4 => file.set_len(0).unwrap(),
            5 => file.write_all_at(&[0; 4096], at / PAGE * PAGE).unwrap(),
            _ => {
                // Two pages change places.
                let (one, two) = (at / PAGE, self.random.below(length.div_ceil(PAGE).max(1)));
                let page = |at: u64| bytes.chunks(4096).nth(usize::try_from(at).unwrap()).unwrap_or_default();
                file.write_all_at(page(one), two * PAGE).unwrap();
                file.write_all_at(page(two), one * PAGE).unwrap();
            }
        }
    }

    /// Names, links and rights.
    fn damage_file(&mut self, name: &str, names: &[String]) {
        let path = self.file(name);
        let kind = self.random.below(6);
        self.done.push(format!("file {kind} of {name}"));
        match kind {
            0 => fs::remove_file(path).unwrap(),
            1 => {
                fs::remove_file(&path).unwrap();
                symlink("/nonexistent/disk", path).unwrap();
            }
            2 => {
                // At the other end of the link all is as it was.
                fs::rename(&path, self.project.path("moved")).unwrap();
                symlink(self.project.path("moved"), path).unwrap();
            }
            3 => fs::set_permissions(path, Permissions::from_mode(0o000)).unwrap(),
            4 => {
                // Two files change places.
                let other = self.pick(names.len());
                let other = self.file(&names[other]);
                let aside = self.project.path("aside");
                fs::rename(&path, &aside).unwrap();
                if other.exists() {
                    fs::rename(&other, &path).unwrap();
                }
                fs::rename(&aside, &other).unwrap();
            }
            _ => {
                // The ledger alone, as somebody copies it who does not know of the others.
                for other in names.iter().filter(|other| *other != LEDGER) {
                    fs::remove_file(self.file(other)).unwrap();
                }
            }
        }
    }

    /// Files and pages of an older copy, or of another ledger.
    fn replace_files(&mut self, name: &str) {
        let kind = self.random.below(8);
        let is_older = kind.is_multiple_of(2);
        let from = if is_older { self.older() } else { self.other.clone() };
        self.done.push(format!("from {}: {kind} of {name}", if is_older { "an older copy" } else { "another" }));
        match kind {
            0 => match from.get(name) {
                Some(bytes) => fs::write(self.file(name), bytes).unwrap(),
                None => fs::remove_file(self.file(name)).unwrap(),
            },
            1 | 2 => {
                // Also one that is not there any more, such as a log.
                let names: Vec<&String> = from.keys().collect();
                let name = names[self.pick(names.len())];
                self.done.push(format!("which is {name}"));
                fs::write(self.file(name), &from[name]).unwrap();
            }
            3..=5 => self.put_pages(&from),
            // Where no report says what is lost, nothing in the world does.
            _ if self.ended => {
                fs::remove_dir_all(self.project.path(FOLDER)).unwrap();
                if self.random.below(3) > 0 {
                    fs::create_dir(self.project.path(FOLDER)).unwrap();
                    for (name, bytes) in &from {
                        fs::write(self.file(name), bytes).unwrap();
                    }
                }
            }
            _ => {}
        }
    }

    /// Pages of another state of the ledger, or of another ledger, get into their places in this one.
    fn put_pages(&mut self, from: &Files) {
        let Some(bytes) = from.get(LEDGER).filter(|bytes| !bytes.is_empty()) else { return };
        let file = File::options().write(true).open(self.file(LEDGER)).unwrap();
        for _ in 0..=self.random.below(3) {
            let page = self.random.below(bytes.len() as u64 / PAGE);
            self.done.push(format!("page {page}"));
            let at = usize::try_from(page * PAGE).unwrap();
            file.write_all_at(&bytes[at..at + 4096], page * PAGE).unwrap();
        }
    }

    /// What is left of the work: right, or an error that helps.
    fn finish(&self) -> &'static str {
        let mut ends = "right";
        for _ in 0..2 {
            let ran = self.project.run(&[]);
            let addressed = self.desk.addressed();
            let different: BTreeSet<_> = addressed.iter().collect();
            assert_eq!(addressed.len(), different.len(), "twice, after {:?}: {}", self.done, ran.stderr);
            if ran.code == Some(1) {
                assert!(ADVICE.iter().any(|word| ran.stderr.contains(word)), "{:?}: {}", self.done, ran.stderr);
                ends = "refused";
            } else {
                assert!(matches!(ran.code, Some(0 | 4)), "{:?}: {ran:?}", self.done);
                let known = self.project.count("accepted") + self.project.count("unknown");
                assert_eq!(known as u64, PEOPLE, "somebody is lost, after {:?}: {}", self.done, ran.stderr);
            }
        }
        ends
    }
}

#[test]
fn slow_whatever_is_damaged_nobody_gets_it_twice() {
    let trials = std::env::var("DAMAGE_TRIALS").map_or(15, |trials| trials.parse().unwrap());
    let mut random = Random::from_environment("DAMAGE_SEED");
    let other = {
        let desk = Desk::friendly();
        let project = Project::at(&desk).people(PEOPLE);
        project.run(&["--limit", "3"]).exits(0);
        files(&project)
    };
    let mut ends = BTreeMap::new();
    for done in 1..=trials {
        let desk = Desk::friendly();
        let project = Project::at(&desk).people(PEOPLE).send("concurrency: 3");
        let mut trial = Trial {
            random: &mut random,
            desk,
            project,
            copies: Vec::new(),
            other: other.clone(),
            ended: false,
            done: Vec::new(),
        };
        trial.begin();
        trial.damage();
        *ends.entry(trial.finish()).or_insert(0) += 1;
        if done % 50 == 0 || done == trials {
            println!("{done} trials: {ends:?}");
        }
    }
}
