//! OSS's documents: written as OSS indents them, and read with bounds on depth and number of elements.

use std::fmt::Write as _;

use quick_xml::Reader;
use quick_xml::events::Event;

/// Writes a document.
pub(crate) struct Xml {
    text: String,
    depth: usize,
}

impl Xml {
    pub(crate) fn document(root: &str, content: impl FnOnce(&mut Self)) -> String {
        let mut xml = Self { text: "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".into(), depth: 0 };
        xml.element(root, content);
        xml.text
    }

    /// An element with elements in it.
    pub(crate) fn element(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        let indent = "  ".repeat(self.depth);
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{indent}<{name}>");
        self.depth += 1;
        content(self);
        self.depth -= 1;
        let _ = writeln!(self.text, "{indent}</{name}>");
    }

    /// An element with text in it.
    pub(crate) fn text(&mut self, name: &str, value: impl AsRef<str>) {
        let indent = "  ".repeat(self.depth);
        let _ = write!(self.text, "{indent}<{name}>");
        escape(value.as_ref(), &mut self.text);
        let _ = writeln!(self.text, "</{name}>");
    }

    pub(crate) fn number(&mut self, name: &str, value: impl Into<u64>) {
        self.text(name, value.into().to_string());
    }

    pub(crate) fn flag(&mut self, name: &str, value: bool) {
        self.text(name, if value { "true" } else { "false" });
    }
}

/// XML 1.0 has no spelling for most control characters; OSS sends references that strict parsers refuse, which is why
/// clients ask for `encoding-type=url`.
fn escape(value: &str, text: &mut String) {
    for c in value.chars() {
        match c {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            c if (c as u32) < 0x20 => {
                let _ = write!(text, "&#{};", c as u32);
            }
            c => text.push(c),
        }
    }
}

/// An element that was read.
#[derive(Debug, Default)]
pub(crate) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

/// The document is not XML, or larger than any that OSS knows.
#[derive(Debug)]
pub(crate) struct Malformed;

impl Element {
    const MAX_DEPTH: usize = 8;
    const MAX_ELEMENTS: usize = 50_000;

    /// Reads a document whose root is called `root`.
    pub(crate) fn read(document: &[u8], root: &str) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(document).map_err(|_| Malformed)?;
        let mut reader = Reader::from_str(text);
        let mut open: Vec<Self> = vec![Self::default()];
        let mut count = 0;
        loop {
            let event = reader.read_event().map_err(|_| Malformed)?;
            let (start, empty) = match &event {
                Event::Start(start) => (Some(start), false),
                Event::Empty(start) => (Some(start), true),
                _ => (None, false),
            };
            if let Some(start) = start {
                count += 1;
                if open.len() > Self::MAX_DEPTH || count > Self::MAX_ELEMENTS {
                    return Err(Malformed);
                }
                open.push(Self { name: start.local_name().into_inner().to_owned(), ..Self::default() });
                if !empty {
                    continue;
                }
            }
            let Some(top) = open.last_mut() else { return Err(Malformed) };
            match event {
                Event::Text(text) => top.text.push_str(&text),
                Event::CData(text) => top.text.push_str(&text),
                Event::GeneralRef(reference) => {
                    let c = match reference.resolve_char_ref().map_err(|_| Malformed)? {
                        Some(c) => c,
                        None => match &*reference {
                            "amp" => '&',
                            "lt" => '<',
                            "gt" => '>',
                            "quot" => '"',
                            "apos" => '\'',
                            _ => return Err(Malformed),
                        },
                    };
                    top.text.push(c);
                }
                Event::End(_) | Event::Empty(_) => {
                    let (Some(done), Some(parent)) = (open.pop(), open.last_mut()) else {
                        return Err(Malformed);
                    };
                    parent.children.push(done);
                }
                Event::Eof => break,
                _ => {}
            }
        }
        let document = open.pop().filter(|_| open.is_empty()).ok_or(Malformed)?;
        let mut roots = document.children.into_iter();
        match (roots.next(), roots.next()) {
            (Some(found), None) if found.name == root => Ok(found),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Self> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// The element of that name.
    pub(crate) fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the element of that name, as it is.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let text = Xml::document("A", |xml| {
            xml.element("B", |xml| xml.text("C", "x & <y> \"z\""));
            xml.number("D", 7_u32);
        });
        let root = Element::read(text.as_bytes(), "A").unwrap();
        assert_eq!(root.child("B").unwrap().text_of("C"), Some("x & <y> \"z\""));
        assert_eq!(root.text_of("D"), Some("7"));
    }

    #[test]
    fn documents_out_of_bounds_are_refused() {
        let deep = "<A>".repeat(100) + &"</A>".repeat(100);
        let wide = format!("<A>{}</A>", "<B/>".repeat(60_000));
        for bad in ["", "<A>", "<A></B>", "<B/>", "<A/><A/>", "<A>&nope;</A>", "no", &deep, &wide] {
            assert!(Element::read(bad.as_bytes(), "A").is_err(), "{bad:.20}");
        }
    }
}
