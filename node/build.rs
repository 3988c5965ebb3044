//! Compiles the descriptions of the gRPC services, `src/**/proto/**.proto`, to one set of descriptors that the
//! node reads at its start. No `protoc` is needed, and no code is generated.

use std::{
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

use prost::Message;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src");
    let mut roots = Vec::new();
    find_folders(Path::new("src"), &mut roots)?;
    let mut files = Vec::new();
    for root in &roots {
        find_files(root, &mut files)?;
    }
    files.sort();
    let set = protox::compile(&files, &roots)?;
    let out: PathBuf = env::var_os("OUT_DIR").ok_or("cargo sets it")?.into();
    fs::write(out.join("services.bin"), set.encode_to_vec())?;
    Ok(())
}

/// The folders named `proto`: what files import is relative to them.
fn find_folders(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() && path.ends_with("proto") {
            found.push(path);
        } else if path.is_dir() {
            find_folders(&path, found)?;
        }
    }
    Ok(())
}

fn find_files(folder: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            find_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            found.push(path);
        }
    }
    Ok(())
}
