//! Colour maps: a byte of the infection map becomes a colour.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// How probability becomes colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Colormap {
    /// Blue over green to red, as in the paper's figures.
    #[default]
    Jet,
    /// Blue over grey to yellow, even in lightness and the same to colour-blind readers (Nunez, Anderton, Renslow 2018).
    Cividis,
}

impl Colormap {
    /// The colour of a map byte (0 is probability 0, 255 is 1): red, green, blue.
    ///
    /// Equal to matplotlib's table of the same name.
    pub fn rgb(self, value: u8) -> [u8; 3] {
        match self {
            Colormap::Jet => jet(value),
            Colormap::Cividis => {
                let at = 6 * usize::from(value);
                [at, at + 2, at + 4].map(|i| 16 * digit(CIVIDIS[i]) + digit(CIVIDIS[i + 1]))
            }
        }
    }

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Colormap::Jet => "jet",
            Colormap::Cividis => "cividis",
        }
    }
}

impl fmt::Display for Colormap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Colormap {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "jet" => Ok(Colormap::Jet),
            "cividis" => Ok(Colormap::Cividis),
            _ => Err(Error::Parameter(format!("colour map {name:?}: known are jet and cividis"))),
        }
    }
}

/// Corners of jet's three channels, as (position, level).
const JET: [&[(f64, f64)]; 3] = [
    &[(0.0, 0.0), (0.35, 0.0), (0.66, 1.0), (0.89, 1.0), (1.0, 0.5)],
    &[(0.0, 0.0), (0.125, 0.0), (0.375, 1.0), (0.64, 1.0), (0.91, 0.0), (1.0, 0.0)],
    &[(0.0, 0.5), (0.11, 1.0), (0.34, 1.0), (0.65, 0.0), (1.0, 0.0)],
];

fn jet(value: u8) -> [u8; 3] {
    let x = f64::from(value);
    JET.map(|corners| {
        let next = corners.iter().position(|c| x <= 255.0 * c.0).unwrap_or(corners.len() - 1).max(1);
        let ((x0, y0), (x1, y1)) = (corners[next - 1], corners[next]);
        let along = (x - 255.0 * x0) / (255.0 * x1 - 255.0 * x0);
        // Truncated, as matplotlib does.
        ((y0 + along * (y1 - y0)) * 255.0) as u8
    })
}

const fn digit(hex: u8) -> u8 {
    if hex <= b'9' { hex - b'0' } else { hex - b'a' + 10 }
}

/// 256 colours of six hexadecimal digits each (data in the public domain, CC0).
const CIVIDIS: &[u8; 1536] = b"\
    00224d00234f00235000245200255400265500265700275900285b00285c00295e002a60002a62002b64002c66002c67\
    002d69002e6b002f6d002f6f0030700030700031700031700432700833700b33700e347011356f14366f16366f18376f\
    1a386f1c386e1d396e1f3a6e213b6e223b6e243c6e253d6d273d6d283e6d2a3f6d2b3f6d2c406d2e416c2f426c30426c\
    31436c32446c34446c35456c36466c37466c38476c39486c3a486b3b496b3d4a6b3e4b6b3f4b6b404c6b414d6b424d6b\
    434e6b444f6b454f6b46506b47516b48516b49526b4a536b4b546c4c546c4d556c4e566c4e566c4f576c50586c51586c\
    52596c535a6c545a6c555b6d565c6d575d6d585d6d595e6d595f6d5a5f6d5b606e5c616e5d616e5e626e5f636e60646e\
    61646f61656f62666f63666f64676f656870666970676970686a70686b71696b716a6c716b6d716c6d726d6e726e6f72\
    6e70736f70737071737172737273747373747474757475757575757676767777767878767978777979777a7a777b7b77\
    7c7b787d7c787e7d787f7d78807e78817f788280788380788481788582788583788683788784788885788986788a8678\
    8b87788c88788d89788e89788f8a77908b77918c77928c77938d77948e77958f77968f779790769891769992769a9376\
    9b93769c94769d95759e96759f9675a09775a19874a29974a39a74a49a74a59b73a69c73a79d73a89e73a99e72aa9f72\
    aba072aca171ada271aea271afa370b0a470b1a570b2a66fb3a66fb4a76fb5a86eb6a96eb7aa6db8ab6db9ab6dbaac6c\
    bbad6cbcae6bbdaf6bbeb06abfb06ac1b169c2b269c3b368c4b468c5b567c6b567c7b666c8b765c9b865cab964cbba64\
    ccbb63cdbc62cebc62cfbd61d0be60d2bf60d3c05fd4c15ed5c25ed6c35dd7c35cd8c45bd9c55adac65adbc759dcc858\
    dec957dfca56e0cb55e1cc54e2cc53e3cd52e4ce51e5cf50e6d04fe8d14ee9d24dead34cebd44becd54aedd648eed747\
    efd846f1d944f2da43f3da42f4db40f5dc3ff6dd3df8de3bf9df3afae038fbe136fde234fde333fde534fde636fde737";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jet_is_matplotlibs() {
        for (value, rgb) in [
            (0, [0, 0, 127]),
            (1, [0, 0, 132]),
            (31, [0, 0, 255]),
            (32, [0, 0, 255]),
            (64, [0, 128, 255]),
            (95, [18, 252, 228]),
            (127, [121, 255, 125]),
            (128, [124, 255, 121]),
            (160, [228, 255, 18]),
            (191, [255, 152, 0]),
            (224, [255, 29, 0]),
            (240, [195, 0, 0]),
            (255, [127, 0, 0]),
        ] {
            assert_eq!(Colormap::Jet.rgb(value), rgb, "jet {value}");
        }
    }

    #[test]
    fn cividis_is_matplotlibs() {
        for (value, rgb) in [
            (0, [0, 34, 77]),
            (1, [0, 35, 79]),
            (64, [67, 78, 107]),
            (127, [123, 123, 119]),
            (128, [124, 123, 120]),
            (200, [196, 180, 104]),
            (254, [253, 230, 54]),
            (255, [253, 231, 55]),
        ] {
            assert_eq!(Colormap::Cividis.rgb(value), rgb, "cividis {value}");
        }
    }

    #[test]
    fn names_go_both_ways() {
        for map in [Colormap::Jet, Colormap::Cividis] {
            assert_eq!(map.to_string().parse::<Colormap>().unwrap(), map);
        }
        assert!(matches!("turbo".parse::<Colormap>(), Err(Error::Parameter(_))));
        assert_eq!(Colormap::default(), Colormap::Jet);
    }
}
