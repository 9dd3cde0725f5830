//! One side of a measurement over iceoryx2: see ../go/main.go for the tasks and the output.
//!
//!     peer iceoryx2 flow|trip BYTES MILLISECONDS near|far FOLDER

use std::{
    env,
    error::Error,
    hint,
    path::Path as FilePath,
    time::{Duration, Instant},
};

use iceoryx2::config::Config;
use iceoryx2::port::update_connections::UpdateConnections;
use iceoryx2::prelude::*;

type Publisher = iceoryx2::port::publisher::Publisher<ipc::Service, [u8], ()>;
type Subscriber = iceoryx2::port::subscriber::Subscriber<ipc::Service, [u8], ()>;
type Sample = iceoryx2::sample::Sample<ipc::Service, [u8], ()>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

const STOP: u8 = 255;

struct Job {
    task: String,
    size: usize,
    span: Duration,
    far: bool,
    name: String,
    folder: String,
}

impl Job {
    fn slots(&self) -> usize {
        match self.size {
            0..=1024 => 256,
            1025..=65536 => 64,
            _ => 16,
        }
    }
}

struct Link {
    size: usize,
    out: Publisher,
    inbox: Subscriber,
}

impl Link {
    fn open(node: &Node<ipc::Service>, job: &Job) -> Result<Self> {
        let service = |suffix: &str| {
            node.service_builder(&ServiceName::new(&format!("{}-{suffix}", job.name)).unwrap())
                .publish_subscribe::<[u8]>()
                .enable_safe_overflow(false)
                .subscriber_max_buffer_size(job.slots())
                .open_or_create()
        };
        let (there, back) = (service("t")?, service("b")?);
        let (inbox, out) = if job.far {
            (&there, &back)
        } else {
            (&back, &there)
        };
        let link = Link {
            size: job.size,
            inbox: inbox.subscriber_builder().create()?,
            out: out
                .publisher_builder()
                .initial_max_slice_len(job.size)
                .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
                .create()?,
        };
        if job.far {
            println!("ready");
        }
        while out.dynamic_config().number_of_subscribers() == 0 {
            hint::spin_loop();
        }
        link.out.update_connections()?;
        Ok(link)
    }

    fn send(&self, from: &[u8]) -> Result<()> {
        let sample = self.out.loan_slice_uninit(self.size)?;
        sample.write_from_slice(from).send()?;
        Ok(())
    }

    fn receive(&self) -> Result<Sample> {
        loop {
            if let Some(sample) = self.inbox.receive()? {
                return Ok(sample);
            }
            hint::spin_loop();
        }
    }
}

/// Bytes that were written: those of `vec![0; n]` are one page of zeros, for all n.
fn filled(byte: u8, size: usize) -> Vec<u8> {
    let mut bytes = hint::black_box(vec![!byte; size]);
    bytes.fill(byte);
    bytes
}

fn near(job: &Job, link: &Link) -> Result<()> {
    let src: Vec<Vec<u8>> = (0..8).map(|k| filled(k, job.size)).collect();
    let begun = Instant::now();
    if job.task == "trip" {
        let mut took = Vec::new();
        let mut last = begun;
        while last - begun < job.span {
            let k = took.len() & 7;
            link.send(&src[k])?;
            let answer = link.receive()?;
            if answer[0] != k as u8 || answer[job.size - 1] != k as u8 {
                return Err("an answer is not what was sent".into());
            }
            let now = Instant::now();
            took.push((now - last).as_nanos());
            last = now;
        }
        let took = &mut took[..];
        let (_, took) = took.split_at_mut(took.len() / 10); // the first are warm-up
        took.sort_unstable();
        let at = |q: f64| took[(q * (took.len() - 1) as f64) as usize];
        println!(
            "{{\"count\": {}, \"p50\": {}, \"p99\": {}, \"p999\": {}}}",
            took.len(),
            at(0.5),
            at(0.99),
            at(0.999)
        );
    } else {
        let every = ((1 << 20) / job.size.max(1 << 10)).max(8);
        while begun.elapsed() < job.span {
            for n in 0..every {
                link.send(&src[n & 7])?;
            }
        }
    }
    link.send(&vec![STOP; job.size])?;
    // the segment goes with the publisher: the far side says when it has read everything
    while link.receive()?[0] != STOP {}
    Ok(())
}

fn far(job: &Job, link: &Link) -> Result<()> {
    let mut count = 0u64;
    let mut first = Instant::now();
    loop {
        let sample = link.receive()?;
        if sample[0] == STOP {
            break;
        }
        if count == 0 {
            first = Instant::now();
        }
        count += 1;
        if sample[0] != sample[job.size - 1] {
            return Err(format!("message {count} is torn").into());
        }
        if job.task == "trip" {
            link.send(&sample)?;
        }
    }
    if job.task != "trip" {
        println!(
            "{{\"count\": {count}, \"seconds\": {}}}",
            first.elapsed().as_secs_f64()
        );
    }
    link.send(&vec![STOP; job.size])?;
    std::thread::sleep(Duration::from_millis(50)); // the near side reads it from our segment
    Ok(())
}

fn main() -> Result<()> {
    let a: Vec<String> = env::args().collect();
    if a.len() != 7 || !matches!(a[2].as_str(), "flow" | "trip") {
        return Err("usage: peer iceoryx2 flow|trip BYTES MILLISECONDS near|far FOLDER".into());
    }
    let name = FilePath::new(&a[6])
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_string();
    let job = Job {
        task: a[2].clone(),
        size: a[3].parse()?,
        span: Duration::from_millis(a[4].parse()?),
        far: a[5] == "far",
        name,
        folder: a[6].clone(),
    };
    set_log_level(LogLevel::Fatal);
    let mut config = Config::default();
    config.global.prefix = FileName::new(format!("{}-", job.name).as_bytes())?;
    config
        .global
        .set_root_path(&Path::new(format!("{}/iox", job.folder).as_bytes())?);
    let node = NodeBuilder::new()
        .config(&config)
        .create::<ipc::Service>()?;
    let link = Link::open(&node, &job)?;
    if job.far {
        far(&job, &link)
    } else {
        near(&job, &link)
    }
}
