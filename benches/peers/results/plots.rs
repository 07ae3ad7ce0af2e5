//! The pictures. Each curve has a colour and a mark of its own, so that either suffices; the colours are those that Okabe and Ito chose for
//! the colour-blind. They are plain SVG with one style sheet, which has other colours where the reader's screen is dark, and as wide
//! as a telephone's.

use crate::plan::{self, US};
use crate::records::{Records, Spread};
use crate::report::plain;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::element::{EmptyElement, PathElement, Polygon};
use plotters::prelude::*;
use std::io;

const WIDTH: u32 = 640;
const TEXT: i32 = 21;
/// Width of a letter on average, and of a mark with the space behind it.
const LETTER: i32 = 11;
const MARK: i32 = 26;

const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
const PAPER: RGBColor = RGBColor(0xFE, 0xFE, 0xFE);
const LINE: RGBColor = RGBColor(0xD0, 0xD7, 0xDE);

/// How a peer looks: its colours on light and on dark, and the corners of its mark.
struct Look {
    peer: &'static str,
    light: RGBColor,
    dark: &'static str,
    mark: &'static [(i32, i32)],
}

const fn look_of(
    peer: &'static str,
    (red, green, blue): (u8, u8, u8),
    dark: &'static str,
    mark: &'static [(i32, i32)],
) -> Look {
    Look { peer, light: RGBColor(red, green, blue), dark, mark }
}

const LOOKS: &[Look] = &[
    look_of(
        US,
        (0x00, 0x72, 0xB2),
        "#56B4E9",
        &[(0, -8), (6, -6), (8, 0), (6, 6), (0, 8), (-6, 6), (-8, 0), (-6, -6)],
    ),
    look_of("tokio", (0xD5, 0x5E, 0x00), "#FF8C42", &[(0, -9), (9, 7), (-9, 7)]),
    look_of("may", (0x00, 0x8A, 0x65), "#2BCB9E", &[(-7, -7), (7, -7), (7, 7), (-7, 7)]),
    look_of("Go", (0xA8, 0x72, 0x00), "#E6B422", &[(0, -10), (8, 0), (0, 10), (-8, 0)]),
    look_of("Java", (0xB5, 0x4C, 0x8C), "#E29AC5", &[(0, 9), (9, -7), (-9, -7)]),
    look_of(
        "OS threads",
        (0x57, 0x60, 0x6A),
        "#B1BAC4",
        &[
            (-9, -3),
            (-3, -3),
            (-3, -9),
            (3, -9),
            (3, -3),
            (9, -3),
            (9, 3),
            (3, 3),
            (3, 9),
            (-3, 9),
            (-3, 3),
            (-9, 3),
        ],
    ),
    look_of("gevent", (0x7A, 0x3E, 0x9D), "#C297E0", &[(-9, -5), (9, -5), (9, 5), (-9, 5)]),
];

fn look(peer: &str) -> &'static Look {
    LOOKS.iter().find(|look| look.peer == peer).unwrap_or(&LOOKS[0])
}

fn hex(color: RGBColor) -> String {
    format!("#{:02X}{:02X}{:02X}", color.0, color.1, color.2)
}

/// The picture with its style sheet.
fn styled(svg: &str, says: &str) -> String {
    let pairs = LOOKS.iter().map(|look| (hex(look.light), look.dark.to_string()));
    let basics = [(INK, "#E6EDF3"), (PAPER, "#0D1117"), (LINE, "#3D444D")];
    let basics = basics.map(|(light, dark)| (hex(light), dark.to_string()));
    let rule = |(light, dark): (String, String)| {
        format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}")
    };
    let rules: String = basics.into_iter().chain(pairs).map(rule).collect();
    let style = format!(
        "<title>{says}</title>\n<style>text{{font-family:system-ui,-apple-system,\"Segoe UI\",Roboto,sans-serif}}\
         @media (prefers-color-scheme:dark){{{rules}}}</style>\n"
    );
    let end = svg.find("<svg").and_then(|at| Some(at + svg[at..].find('>')? + 1)).unwrap_or(0);
    let (head, rest) = svg.split_at(end);
    format!("{head}\n{style}{}", rest.trim_start())
}

fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(error.to_string())
}

/// A number of things, short; nothing for a part of a thing.
pub(crate) fn count(value: f64) -> String {
    // Steps of an axis are sums.
    let value = (value * 1e6).round() / 1e6;
    match value {
        1e6.. => format!("{} million", value / 1e6),
        10.0.. => plain(value.round()).trim_end_matches(".0").to_string(),
        _ if value.fract() == 0.0 => format!("{value}"),
        _ => String::new(),
    }
}

struct Curve {
    peer: &'static str,
    points: Vec<(f64, Spread)>,
}

struct Chart<'a> {
    /// What is shown, and in which unit.
    title: &'a str,
    x: &'a str,
    curves: Vec<Curve>,
}

/// The range of some values with a margin, in decades or straight from zero.
fn range(values: impl Iterator<Item = f64>, margin: f64) -> (f64, f64) {
    let (least, most) = values.fold((f64::MAX, f64::MIN), |(l, m), it| (l.min(it), m.max(it)));
    (least / margin, most * margin)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Draws title and names; returns what is left below.
fn heading<'a>(root: &Area<'a>, title: &str, peers: &[&'static str]) -> io::Result<Area<'a>> {
    root.fill(&PAPER).map_err(failed)?;
    let bold = ("sans-serif", TEXT + 2).into_font().style(FontStyle::Bold).color(&INK);
    root.draw(&Text::new(title.to_string(), (14, 12), bold)).map_err(failed)?;
    let (mut x, mut y) = (14, 50);
    for peer in peers {
        let &Look { light: color, mark, .. } = look(peer);
        let wide = MARK + LETTER * peer.len() as i32 + 20;
        if x + wide > WIDTH as i32 {
            (x, y) = (14, y + 30);
        }
        let label = ("sans-serif", TEXT).into_font().color(&INK);
        let drawn = EmptyElement::at((x + 10, y + 9))
            + Polygon::new(mark.to_vec(), color.filled())
            + Text::new((*peer).to_string(), (MARK - 8, -11), label);
        root.draw(&drawn).map_err(failed)?;
        x += wide;
    }
    Ok(root.split_vertically(y + 34).1)
}

/// A plot, over whatever axes.
fn draw<X, Y>(area: &Area<'_>, chart: &Chart<'_>, x: X, y: Y) -> io::Result<()>
where
    X: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
    Y: plotters::coord::ranged1d::AsRangedCoord<Value = f64>,
    X::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y::CoordDescType: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut context = ChartBuilder::on(area)
        .margin_right(30)
        .margin_bottom(8)
        .margin_top(8)
        .x_label_area_size(66)
        .y_label_area_size(84)
        .build_cartesian_2d(x, y)
        .map_err(failed)?;
    let label = ("sans-serif", TEXT).into_font().color(&INK);
    context
        .configure_mesh()
        .x_desc(chart.x)
        .axis_desc_style(label.clone())
        .label_style(label)
        .axis_style(LINE)
        .bold_line_style(LINE)
        .light_line_style(TRANSPARENT)
        .x_labels(5)
        .y_labels(12)
        .x_label_formatter(&|value| count(*value))
        .y_label_formatter(&|value| count(*value))
        .draw()
        .map_err(failed)?;
    for curve in &chart.curves {
        let &Look { light: color, mark, .. } = look(curve.peer);
        let medians: Vec<_> = curve.points.iter().map(|(x, it)| (*x, it.median)).collect();
        let line = PathElement::new(medians.clone(), color.stroke_width(3));
        context.plotting_area().draw(&line).map_err(failed)?;
        for (x, it) in &curve.points {
            let spread =
                PathElement::new(vec![(*x, it.least), (*x, it.most)], color.stroke_width(2));
            context.plotting_area().draw(&spread).map_err(failed)?;
            let mark =
                EmptyElement::at((*x, it.median)) + Polygon::new(mark.to_vec(), color.filled());
            context.plotting_area().draw(&mark).map_err(failed)?;
        }
    }
    Ok(())
}

/// Curves over the sizes of measures; `None` where there is nothing to draw.
fn over_sizes(records: &Records, prefix: &str, figure: &str) -> Option<Vec<Curve>> {
    let measures: Vec<_> =
        plan::all().into_iter().filter(|it| it.key.starts_with(prefix)).collect();
    let curve = |&Look { peer, .. }: &Look| {
        let point = |measure: &plan::Measure| {
            let size = measure.key.trim_start_matches(prefix).parse().ok()?;
            Some((size, records.spread(&measure.key, peer, figure)?))
        };
        let points: Vec<_> =
            measures.iter().filter_map(point).filter(|(_, it)| it.least > 0.0).collect();
        Curve { peer, points }
    };
    let curves: Vec<_> = LOOKS.iter().map(curve).filter(|curve| !curve.points.is_empty()).collect();
    (!curves.is_empty()).then_some(curves)
}

fn picture(
    height: u32,
    says: &str,
    draw: impl FnOnce(&Area<'_>) -> io::Result<()>,
) -> io::Result<String> {
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
        draw(&root)?;
        root.present().map_err(failed)?;
    }
    Ok(styled(&svg, says))
}

fn names(curves: &[Curve]) -> Vec<&'static str> {
    curves.iter().map(|curve| curve.peer).collect()
}

/// Over decades of `x`; over decades of the figures too, or straight from zero.
fn scaled(chart: &Chart<'_>, decades: bool) -> io::Result<String> {
    let points = || chart.curves.iter().flat_map(|curve| &curve.points);
    let x = range(points().map(|(x, _)| *x), 1.4);
    let (low, high) = range(points().flat_map(|(_, it)| [it.least, it.most]), 1.6);
    let x = (x.0..x.1).log_scale();
    picture(560, chart.title, |root| {
        let area = heading(root, chart.title, &names(&chart.curves))?;
        match decades {
            true => draw(&area, chart, x, (low..high).log_scale()),
            false => draw(&area, chart, x, 0.0..high / 1.4),
        }
    })
}

/// One worker and two, from zero.
fn workers(records: &Records) -> Option<io::Result<String>> {
    let curve = |&Look { peer, .. }: &Look| {
        let point = |(workers, name): (f64, &str)| {
            let spread = records.spread("workers", &format!("{peer}, {name}"), "each second")?;
            Some((workers, spread))
        };
        let points =
            [(1.0, "1 worker"), (2.0, "2 workers")].into_iter().filter_map(point).collect();
        Curve { peer, points }
    };
    let curves: Vec<_> = LOOKS.iter().map(curve).filter(|curve| curve.points.len() == 2).collect();
    let most =
        curves.iter().flat_map(|curve| &curve.points).map(|(_, it)| it.most).fold(0.0, f64::max);
    let title = "Requests in a second, which compute";
    let chart = Chart { title, x: "workers", curves };
    (!chart.curves.is_empty()).then(|| {
        picture(480, title, |root| {
            let area = heading(root, title, &names(&chart.curves))?;
            draw(&area, &chart, 0.6..2.4, 0.0..most * 1.1)
        })
    })
}

/// The workloads of the overview, in plain words, with the figure that is compared.
const OVERVIEW: &[(&str, &str, &str)] = &[
    ("yield", "ns", "giving way, 1000 green threads"),
    ("spawn", "ns", "starting one and joining it"),
    ("channel", "ns", "a message there and one back"),
    ("mutex", "ns", "a lock that 1000 want, two workers"),
    ("sleeps", "ns", "100,000 sleeps"),
    ("memory-10000", "bytes", "memory of a blocked one, of 10,000"),
    ("echo-64", "us", "echo server, 64 connections"),
    ("echo-1000", "us", "echo server, 1000 connections"),
    ("http-64", "us", "HTTP server, 64 connections"),
];

/// How much more others take, a line for each workload.
fn overview(records: &Records) -> Option<io::Result<String>> {
    const ROW: i32 = 62;
    let ratios = |(key, figure, words): &(&'static str, &str, &'static str)| {
        let others = LOOKS.iter().skip(1);
        let ratio = |&Look { peer, .. }: &Look| {
            Some((peer, 1.0 / records.ratio(key, figure, US, &[peer])?.median))
        };
        let all: Vec<_> = others.filter_map(ratio).filter(|(_, it)| *it > 0.0).collect();
        (!all.is_empty()).then_some((*words, all))
    };
    let rows: Vec<_> = OVERVIEW.iter().filter_map(ratios).collect();
    if rows.is_empty() {
        return None;
    }
    let title = "Processor time, as a multiple of ours";
    let peers: Vec<_> = LOOKS
        .iter()
        .map(|look| look.peer)
        .filter(|peer| rows.iter().any(|(_, all)| all.iter().any(|(it, _)| it == peer)))
        .collect();
    let most = rows.iter().flat_map(|(_, all)| all).map(|(_, ratio)| *ratio).fold(10.0, f64::max);
    let (left, right) = (24.0, WIDTH as f64 - 40.0);
    let least = rows.iter().flat_map(|(_, all)| all).map(|(_, ratio)| *ratio).fold(0.6, f64::min);
    let (low, high) = ((least / 1.2).ln(), (most * 1.5).ln());
    let at = |ratio: f64| (left + (ratio.ln() - low) / (high - low) * (right - left)) as i32;
    let height = 130 + ROW * rows.len() as i32 + 90;
    Some(picture(height as u32, title, |root| {
        let area = heading(root, title, &peers)?;
        let label = ("sans-serif", TEXT).into_font().color(&INK);
        let bottom = 8 + ROW * rows.len() as i32;
        for tick in
            [1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0].into_iter().filter(|it| *it < most * 1.3)
        {
            let (color, width) = if tick == 1.0 { (look(US).light, 3) } else { (LINE, 1) };
            let line = PathElement::new(
                vec![(at(tick), 4), (at(tick), bottom)],
                color.stroke_width(width),
            );
            area.draw(&line).map_err(failed)?;
            let words =
                if tick == 1.0 { "ours".to_string() } else { format!("{} ×", count(tick)) };
            let x = at(tick) - LETTER * words.chars().count() as i32 / 2;
            area.draw(&Text::new(words, (x, bottom + 8), label.clone())).map_err(failed)?;
        }
        for (row, (words, all)) in rows.iter().enumerate() {
            let y = 8 + ROW * row as i32;
            let base = PathElement::new(vec![(left as i32, y + 40), (right as i32, y + 40)], LINE);
            area.draw(&base).map_err(failed)?;
            area.draw(&Text::new((*words).to_string(), (at(1.0) + 10, y + 4), label.clone()))
                .map_err(failed)?;
            for (peer, ratio) in all {
                let &Look { light: color, mark, .. } = look(peer);
                let mark = EmptyElement::at((at(*ratio), y + 40))
                    + Polygon::new(mark.to_vec(), color.filled());
                area.draw(&mark).map_err(failed)?;
            }
        }
        let end = ("sans-serif", TEXT).into_font().color(&INK);
        let words = "left of the line: less than ours; right of it: more";
        area.draw(&Text::new(words, (left as i32, bottom + 42), end)).map_err(failed)
    }))
}

/// All pictures for which there are figures, with the names of their files.
pub(crate) fn all(records: &Records) -> io::Result<Vec<(&'static str, String)>> {
    let mut all = Vec::new();
    let mut scale = |file, prefix, figure, title, x, decades| -> io::Result<()> {
        if let Some(curves) = over_sizes(records, prefix, figure) {
            all.push((file, scaled(&Chart { title, x, curves }, decades)?));
        }
        Ok(())
    };
    let threads = "green threads";
    scale("yield.svg", "yield-", "ns", "Giving way, ns of processor time", threads, true)?;
    scale("memory.svg", "memory-", "bytes", "Memory of one that waits, bytes", threads, true)?;
    let echo = "An echoed message, µs of processor time";
    scale("connections.svg", "echo-", "us", echo, "connections", false)?;
    for (file, picture) in [("workers.svg", workers(records)), ("overview.svg", overview(records))]
    {
        if let Some(picture) = picture {
            all.push((file, picture?));
        }
    }
    Ok(all)
}
