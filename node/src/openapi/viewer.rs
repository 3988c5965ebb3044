//! The files of the documentation page. Swagger UI comes in a crate, as the archive of its release
//! (APPNOTE of the zip format): each file is handed on as it is compressed there, so that nothing is
//! inflated here. The page itself and its start are ours.
//!
//! Only the files that [`FILES`] names are served, and none of them loads anything from elsewhere.

use std::sync::OnceLock;

use bytes::Bytes;

/// A file that can be served.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) media_type: &'static str,
    /// Whether the body is compressed by gzip.
    pub(super) is_gzip: bool,
    pub(super) body: Bytes,
}

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// The page: no script and no style in it, so that the policy can forbid both.
const PAGE: &str = include_str!("viewer/page.html");
const START: &str = include_str!("viewer/start.js");

/// The files of the archive that the page loads.
const FILES: [(&str, &str); 3] = [
    ("swagger-ui.css", STYLE),
    ("swagger-ui-bundle.js", SCRIPT),
    ("favicon-32x32.png", "image/png"),
];

/// The page.
pub(super) fn page() -> File {
    let body = Bytes::from_static(PAGE.as_bytes());
    File { media_type: HTML, is_gzip: false, body }
}

/// A file of the page.
pub(super) fn file(name: &str) -> Option<File> {
    if name == "start.js" {
        let body = Bytes::from_static(START.as_bytes());
        return Some(File { media_type: SCRIPT, is_gzip: false, body });
    }
    static UNPACKED: OnceLock<Vec<(&'static str, File)>> = OnceLock::new();
    let unpacked = UNPACKED.get_or_init(unpack);
    unpacked.iter().find(|(known, _)| *known == name).map(|(_, file)| file.clone())
}

fn unpack() -> Vec<(&'static str, File)> {
    let archive = utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
    let entries = entries(archive).unwrap_or_default();
    let find = |(name, media_type): &(&'static str, &'static str)| {
        let end = format!("/dist/{name}");
        let is_it =
            |entry: &&Entry<'_>| entry.name.ends_with(&end) && entry.name.matches('/').count() == 2;
        let entry = entries.iter().find(is_it)?;
        let (is_gzip, body) = match entry.method {
            STORED => (false, Bytes::copy_from_slice(entry.data)),
            DEFLATED => (true, gzip(entry)),
            _ => return None,
        };
        Some((*name, File { media_type, is_gzip, body }))
    };
    FILES.iter().filter_map(find).collect()
}

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// A file of an archive.
struct Entry<'a> {
    name: &'a str,
    method: u16,
    checksum: u32,
    size: u32,
    data: &'a [u8],
}

/// The member of gzip (RFC 1952) that holds what the entry holds.
fn gzip(entry: &Entry<'_>) -> Bytes {
    const HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut member = Vec::with_capacity(entry.data.len() + 18);
    member.extend_from_slice(&HEAD);
    member.extend_from_slice(entry.data);
    member.extend_from_slice(&entry.checksum.to_le_bytes());
    member.extend_from_slice(&entry.size.to_le_bytes());
    member.into()
}

/// The files of an archive, by its central directory; `None` where it is damaged.
fn entries(archive: &[u8]) -> Option<Vec<Entry<'_>>> {
    const END: &[u8] = b"PK\x05\x06";
    let end = archive.windows(END.len()).rposition(|window| window == END)?;
    let mut at = usize::try_from(long(archive, end + 16)?).ok()?;
    let mut entries = Vec::new();
    for _ in 0..short(archive, end + 10)? {
        if archive.get(at..at + 4)? != b"PK\x01\x02" {
            return None;
        }
        let length = |place: usize| short(archive, at + place).map(usize::from);
        let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
        let compressed = usize::try_from(long(archive, at + 20)?).ok()?;
        let local = usize::try_from(long(archive, at + 42)?).ok()?;
        // The name and the extra field stand in both heads, and the extra fields may differ.
        let skipped = short(archive, local + 26)? + short(archive, local + 28)?;
        let data = local + 30 + usize::from(skipped);
        entries.push(Entry {
            name: std::str::from_utf8(archive.get(at + 46..at + 46 + name)?).ok()?,
            method: short(archive, at + 10)?,
            checksum: long(archive, at + 16)?,
            size: long(archive, at + 24)?,
            data: archive.get(data..data + compressed)?,
        });
        at += 46 + name + extra + comment;
    }
    Some(entries)
}

fn short(archive: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(archive.get(at..at + 2)?.try_into().ok()?))
}

fn long(archive: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(archive.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_of_the_page_are_there() {
        for (name, media_type) in FILES {
            let file = file(name).unwrap_or_else(|| panic!("{name} is not in the archive"));
            assert_eq!(file.media_type, media_type);
            assert_eq!(file.is_gzip, media_type != "image/png", "{name}");
            assert!(PAGE.contains(&format!("\"/docs/{name}\"")), "the page does not load {name}");
        }
        assert!(PAGE.contains("\"/docs/start.js\"") && file("start.js").is_some());
        for unknown in ["", "index.html", "swagger-ui.js", "../Cargo.toml"] {
            assert!(file(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn a_damaged_archive_has_no_files() {
        let archive = utoipa_swagger_ui_vendored::SWAGGER_UI_VENDORED;
        assert!(entries(archive).is_some_and(|entries| entries.len() > 10));
        assert!(entries(&archive[archive.len() / 2..]).is_none());
        assert!(entries(b"PK\x05\x06").is_none());
        assert!(entries(b"").is_none());
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere() {
        for text in [PAGE, START] {
            assert!(!text.contains("//"), "{text}");
            assert!(!text.contains("style=") && !text.contains("onload="), "{text}");
        }
    }
}
