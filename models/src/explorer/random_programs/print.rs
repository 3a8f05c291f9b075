//! Prints a program as the Rust that makes it, so that one which a test has found can become a test of its own.

use std::fmt;

use super::{Line, Object, Op, Section, SmallProgram, Violation};

impl fmt::Display for SmallProgram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SmallProgram::new(\n    &[")?;
        for (number, object) in self.objects.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            match object {
                Object::Monitor(value) => write!(f, "{comma}Monitor({value:?})")?,
                Object::Flag(value) => write!(f, "{comma}Flag({value})")?,
                Object::Lock => write!(f, "{comma}Lock")?,
            }
        }
        writeln!(f, "],\n    &[")?;
        for body in &self.bodies {
            let lines: Vec<_> = body.iter().map(Line::to_string).collect();
            writeln!(f, "        &[{}],", lines.join(", "))?;
        }
        write!(f, "    ],\n)")
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.op {
            Op::Spawn(body) => write!(f, "spawn({body})")?,
            Op::Join(body) => write!(f, "join({body})")?,
            Op::With(on, Section { change, .. }) => write!(f, "with({on}, {change:?})")?,
            Op::Wait(on, until, Section { change, .. }) => write!(f, "wait({on}, {until:?}, {change:?})")?,
            Op::WaitUntil(on, until, Section { change, .. }) => {
                write!(f, "wait_until({on}, {until:?}, {change:?})")?;
            }
            Op::Carry(from, until, to) => write!(f, "carry({from}, {until:?}, {to})")?,
            Op::Load(flag) => write!(f, "load({flag})")?,
            Op::Store(flag, value) => write!(f, "store({flag}, {value})")?,
            Op::Acquire(lock) => write!(f, "acquire({lock})")?,
            Op::Release(lock) => write!(f, "release({lock})")?,
        }
        if let Op::With(_, section) | Op::Wait(_, _, section) | Op::WaitUntil(_, _, section) = self.op
            && section.tells
        {
            write!(f, ".tells()")?;
        }
        if let Some(answer) = self.only_if {
            write!(f, ".only_if({answer})")?;
        }
        if let Some(answer) = self.never {
            write!(f, ".never({answer})")?;
        }
        Ok(())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "thread {} was answered {} at line {}", self.body, self.answer, self.line)
    }
}
