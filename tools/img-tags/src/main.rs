//! img-tags - list the tags of a repository.

use cli::{Exit, Format};
use types::out::img_tags::{Long, Tag};
use types::platform::Platform;
use types::reference::{ImageRef, glob};

/// List the tags of a repository
///
/// Asks its registry. Prints one line for each tag, versions in their order.
#[derive(Debug, clap::Parser)]
#[command(version)]
struct Args {
    #[command(flatten)]
    format: Format,
    /// Only tags that match; may have *, ? and [a-z]
    #[arg(long = "match", value_name = "PATTERN")]
    pattern: Option<String>,
    /// Ask for each tag what it leads to: its digest, its age and its size
    #[arg(short, long)]
    long: bool,
    /// With --long, of the image for this platform (default: $DOCKER_DEFAULT_PLATFORM, this machine's)
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", requires = "long")]
    platform: Option<Platform>,
    /// The repository, a name without a tag; - reads it from stdin
    #[arg(value_name = "REPOSITORY")]
    repository: String,
}

fn main() -> std::process::ExitCode {
    cli::main(run)
}

fn run(args: Args) -> anyhow::Result<Exit> {
    let Args { format, pattern, long, platform, repository } = args;
    let name = cli::one(&repository)?;
    ImageRef::parse_repository(&name)?;
    let client = image::client(&cli::StoreArgs::default().sources()?)?;
    let (repository, mut tags) =
        image::first_of(&client, &name, |r| Ok((r.clone(), image::tags(&client, r)?)))?;
    tags.retain(|tag| pattern.as_deref().is_none_or(|p| glob(p, tag)));
    let short = |tag: String| Tag { name: format!("{}:{tag}", repository.familiar_name()), tag };
    if !long {
        let mut out = format.writer();
        tags.into_iter().map(short).try_for_each(|tag| out.record(&tag))?;
        return out.finish();
    }
    let platform = platform.map_or_else(cli::default_platform, Ok)?;
    let (mut out, now, mut exit) = (format.writer(), cli::now(), Exit::Ok);
    for tag in tags.into_iter().map(short) {
        match image::remote(&client, &tag.name.parse()?, &platform) {
            Ok(found) => out.record(&Long {
                digest: found.record.digest,
                created: found.record.created,
                download_size: found.record.download_size,
                tag,
                now,
            })?,
            Err(e) => {
                cli::report(&e.within(format!("ask for {:?}", tag.name)).into());
                exit = Exit::Failed;
            }
        }
    }
    out.finish()?;
    Ok(exit)
}
