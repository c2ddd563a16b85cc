//! Reading the documents that OSS sends: a small tree of named elements with text, bounded in every direction.
//!
//! Lenient as to order, white space, namespaces and unknown elements; strict as to size. What the elements of an
//! operation mean lives with the operation.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::{BytesRef, Event};

/// No document that is understood here is deeper than this.
const MAX_DEPTH: usize = 8;
/// A page of 1,000 parts has about 6,000 elements, a page of 1,000 uploads about 4,000.
const MAX_ELEMENTS: usize = 20_000;
/// The longest text of an element that is kept, in bytes: a key of 1,023 bytes, each percent-encoded, and more.
const MAX_TEXT: usize = 16 * 1024;

/// An element: its name without a prefix, its text without outer white space, its children.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The text of the first child of this name, if it has any.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.children
            .iter()
            .find(|child| child.name == name)
            .map(|child| child.text.as_str())
            .filter(|text| !text.is_empty())
    }

    /// All children of this name.
    pub(crate) fn children_named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// Why a document cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    #[error("the XML is malformed")]
    Syntax,
    #[error("the XML is cut off")]
    CutOff,
    #[error("the XML is larger or deeper than any answer of OSS")]
    TooLarge,
}

/// The root element of a document.
pub(crate) fn parse(document: &[u8]) -> Result<Element, Unreadable> {
    // The only encoding of OSS is UTF-8; a text that is not gets replacement characters, which match nothing.
    let document = String::from_utf8_lossy(document);
    let mut reader = Reader::from_str(document.trim_start_matches('\u{feff}'));
    let mut open: Vec<Element> = Vec::new();
    let mut elements = 0_usize;
    loop {
        match reader.read_event().map_err(|_| Unreadable::Syntax)? {
            Event::Start(start) => {
                elements += 1;
                if open.len() >= MAX_DEPTH || elements > MAX_ELEMENTS {
                    return Err(Unreadable::TooLarge);
                }
                open.push(named(start.local_name().as_ref()));
            }
            Event::Empty(start) => {
                elements += 1;
                if elements > MAX_ELEMENTS {
                    return Err(Unreadable::TooLarge);
                }
                let element = named(start.local_name().as_ref());
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Ok(element),
                }
            }
            Event::End(_) => {
                let mut element = open.pop().ok_or(Unreadable::Syntax)?;
                element.text = element.text.trim().into();
                match open.last_mut() {
                    Some(parent) => parent.children.push(element),
                    None => return Ok(element),
                }
            }
            Event::Text(text) => append(&mut open, &text)?,
            Event::CData(text) => append(&mut open, &text)?,
            // References come as events of their own, so a text with them comes in pieces.
            Event::GeneralRef(reference) => append(&mut open, &resolve(&reference)?)?,
            // No document of OSS has one, and no entity it could define is looked up.
            Event::DocType(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => return Err(Unreadable::CutOff),
        }
    }
}

fn named(name: &str) -> Element {
    // No name that means anything is longer.
    Element { name: name.chars().take(64).collect(), ..Element::default() }
}

fn append(open: &mut [Element], text: &str) -> Result<(), Unreadable> {
    let Some(element) = open.last_mut() else { return Ok(()) };
    if element.text.len() + text.len() > MAX_TEXT {
        return Err(Unreadable::TooLarge);
    }
    element.text.push_str(text);
    Ok(())
}

fn resolve(reference: &BytesRef<'_>) -> Result<String, Unreadable> {
    if let Some(character) = reference.resolve_char_ref().map_err(|_| Unreadable::Syntax)? {
        return Ok(character.into());
    }
    resolve_predefined_entity(reference).map(str::to_owned).ok_or(Unreadable::Syntax)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_comes_whole_though_references_cut_it() {
        let root = parse(b"<a><k> x&amp;y&lt;&#39;&#x4e2d;<!-- no --><![CDATA[<z>]]> </k></a>").unwrap();
        assert_eq!(root.text_of("k"), Some("x&y<'\u{4e2d}<z>"));
    }

    #[test]
    fn prefixes_and_unknown_elements_do_not_matter() {
        let root = parse(b"<?xml version=\"1.0\"?><o:R xmlns:o=\"u\"><o:New><x/></o:New><o:K>v</o:K></o:R>")
            .unwrap();
        assert_eq!((root.name.as_str(), root.text_of("K")), ("R", Some("v")));
    }

    #[test]
    fn what_is_cut_off_deep_large_or_defines_entities_is_refused() {
        assert_eq!(parse(b""), Err(Unreadable::CutOff));
        assert_eq!(parse(b"<a><b>"), Err(Unreadable::CutOff));
        assert_eq!(parse("<a>".repeat(20).as_bytes()), Err(Unreadable::TooLarge));
        assert_eq!(parse(format!("<a>{}</a>", "<b/>".repeat(30_000)).as_bytes()), Err(Unreadable::TooLarge));
        assert_eq!(parse(format!("<a>{}</a>", "x".repeat(20_000)).as_bytes()), Err(Unreadable::TooLarge));
        assert_eq!(parse(b"<!DOCTYPE a [<!ENTITY e \"x\">]><a>&e;</a>"), Err(Unreadable::Syntax));
        assert!(parse(b"<a></b>").is_err());
    }
}
