use forcekill_models::{cases, designs::Design, oracle::Oracle, races::Setting, search::{*, loom_search::*, shuttle_search::*}, stage::Reads};
use std::{sync::Arc, time::*};
fn main(){
    let killers: usize = std::env::args().nth(1).map_or(1, |a| a.parse().unwrap());
    let bound = if killers == 3 { Some(2) } else { None };
    for d in [Design::Forcekill, Design::Pr2365] {
        for case in cases::of(d).iter().filter(|c| std::env::args().nth(2).is_none_or(|n| c.model==n)) {
          for prop in case.properties {let prop=&[*prop][..];
            for reads in [Reads::ReadModifyWrite] {
                let oracle = Arc::new(Oracle::watching(prop));
                let t = Instant::now();
                for v in (case.variants)(killers) {
                    let s = Setting { killers, variant: v.number };
                    let (b,t0)=(oracle.executions(),Instant::now()); let o = LoomSearch { bound, reads, limit: Duration::from_secs(if case.model=="lost-wake-up" {60} else {10}) }.run(case, &s, &v, &oracle); if case.model=="lost-wake-up" {println!("  {} {} {:?}", v.name, oracle.executions()-b, t0.elapsed());}
                    if !matches!(o, Outcome::Complete) { println!("   {} {o:?}", v.name); if d==Design::Pr2365 {break;} }
                }
                println!("{prop:?} {d} {} loom {reads:?} {} {:?}", case.model, oracle.executions(), t.elapsed());
                if reads == Reads::ReadModifyWrite { for m in case.moments { if !oracle.moments().iter().any(|x| x.0 == *m) { println!("   NOT REACHED {m}"); } } }
            }
          } let prop=case.properties;
            for st in [Strategy::DepthFirst{bound:Some(2),limit:300_000}, Strategy::Random{executions:1000}] {
                let oracle = Arc::new(Oracle::watching(prop));
                let t = Instant::now();
                for v in (case.variants)(killers) {
                    let s = Setting { killers, variant: v.number };
                    let o = st.run(case, &s, &v, &oracle);
                    if let Outcome::Failed{violation,..} = &o { println!("   {} {violation:?}", v.name); if d==Design::Pr2365 {break;} }
                    else if matches!(st, Strategy::DepthFirst{..}) && matches!(o, Outcome::Incomplete) { println!("   {} incomplete", v.name); }
                }
                println!("{d} {} {st:?} {} {:?}", case.model, oracle.executions(), t.elapsed());
            }
        }
    }
}
