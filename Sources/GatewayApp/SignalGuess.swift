import Telemetry

/// What a sender's name for a value most likely means in the catalogue, and in which unit.
///
/// A guess is for a draft that an engineer reads; nothing that is taken in is ever guessed.
struct SignalGuess {
    var path: String
    /// The unit, where the name says it or only one fits the value.
    var unit: String?
    /// Units that would fit the value where none is certain.
    var candidates: [String]
    var isUnitTold: Bool

    /// Of a JSON pointer, a level of a topic or an element's name, with the unit that the sender
    /// tells beside the value; nil when no signal has enough of the name's words.
    init?(name: String, value: Double?, toldUnit: String?, _ catalogue: Catalogue) {
        let words = SignalGuess.words(name)
        guard let path = SignalGuess.path(words, catalogue),
            let signal = catalogue.find(path: path)
        else { return nil }
        self.path = path
        let own = catalogue[signal].unit
        let told = [toldUnit, SignalGuess.unit(in: words)].compactMap(\.self).first {
            Units.conversion(from: $0, to: own) != nil
        }
        let fitting = SignalGuess.ranges.filter {
            Units.conversion(from: $0.unit, to: own) != nil
                && (value.map($0.range.contains) ?? true)
        }.map(\.unit)
        isUnitTold = told != nil
        unit = told ?? (fitting.count == 1 ? fitting[0] : nil)
        candidates = fitting
        if own.isEmpty {
            unit = ""
            isUnitTold = true
        }
    }

    // MARK: Words

    /// `tyrePressureFrontLeft_kPa` → tyre, pressure, front, left, kpa.
    static func words(_ name: String) -> [String] {
        var words: [String] = []
        var word = ""
        var last: Character = " "
        func end() {
            if !word.isEmpty { words.append(word.lowercased()) }
            word = ""
        }
        for character in name {
            if !character.isLetter && !character.isNumber {
                end()
            } else {
                let startsWord =
                    (character.isUppercase && last.isLowercase)
                    || (character.isLetter && last.isNumber && word.count > 2)
                if startsWord { end() }
                word.append(character)
            }
            last = character
        }
        end()
        return words.flatMap { synonyms[$0] ?? [$0] }
    }

    private static let synonyms: [String: [String]] = [
        "tyre": ["tire"], "tyres": ["tire"], "tires": ["tire"], "tpms": ["tire"],
        "fl": ["front", "left"], "lf": ["front", "left"], "fr": ["front", "right"],
        "rf": ["front", "right"], "rl": ["rear", "left"], "lr": ["rear", "left"],
        "rr": ["rear", "right"], "row1": ["front"], "row2": ["rear"],
        "frontleft": ["front", "left"], "frontright": ["front", "right"],
        "rearleft": ["rear", "left"], "rearright": ["rear", "right"],
        "temp": ["temperature"], "temps": ["temperature"], "odo": ["odometer"],
        "mileage": ["odometer"], "totalmileage": ["odometer"], "volt": ["voltage"],
        "volts": ["voltage"], "vbat": ["12v", "voltage"], "vbatt": ["12v", "voltage"],
        "outside": ["ambient"], "exterior": ["ambient"], "ext": ["ambient"],
        "coolanttemp": ["coolant", "temperature"], "ect": ["coolant", "temperature"],
        "pads": ["pad"], "brakepad": ["brake", "pad"], "oillife": ["oil", "life"],
        "batterylevel": ["soc"], "lowvoltagebattery": ["12v"],
    ]

    private static func unit(in words: [String]) -> String? {
        let units = [
            "kpa": "kPa", "psi": "psi", "bar": "bar", "mbar": "mbar", "celsius": "celsius",
            "degc": "celsius", "fahrenheit": "degF", "degf": "degF", "km": "km", "miles": "mi",
            "mi": "mi", "mv": "mV", "percent": "percent", "pct": "percent", "kmh": "km/h",
            "kph": "km/h", "mph": "mph", "c": "celsius", "f": "degF", "v": "V",
        ]
        return words.last.flatMap { units[$0] }
    }

    /// What values of a road vehicle usually are, to tell units apart.
    private static let ranges: [(unit: String, range: ClosedRange<Double>)] = [
        ("bar", 1...12), ("psi", 15...125), ("kPa", 126...1_200), ("V", 3...60),
        ("mV", 3_000...60_000), ("celsius", -60...150), ("degF", -76...302),
        ("percent", 0...100), ("km", 0...2_000_000), ("mi", 0...1_300_000),
        ("m", 0...2_000_000_000), ("km/h", 0...260), ("mph", 0...160), ("m/s", 0...72),
        ("rpm", 0...10_000), ("A", -500...500), ("days", 0...800),
    ]

    // MARK: Signals

    /// A signal, words that all must occur, and words that must not.
    private struct Sign {
        var path: String
        var all: [[String]]
        var none: [String] = []
    }

    private static let signs: [Sign] = [
        Sign(
            path: "Vehicle.Chassis.Axle.{row}.Wheel.{side}.Tire.AirTemperature",
            all: [["tire"], ["temperature"]]
        ),
        Sign(
            path: "Vehicle.Chassis.Axle.{row}.Wheel.{side}.Tire.IsPressureLow",
            all: [["tire"], ["warning", "low", "warn"]]
        ),
        Sign(
            path: "Vehicle.Chassis.Axle.{row}.Wheel.{side}.Tire.Pressure",
            all: [["tire"], ["pressure", "kpa", "psi", "bar", "tire"]],
            none: ["placard", "recommended", "target"]
        ),
        Sign(
            path: "Vehicle.Chassis.Axle.{row}.Wheel.{side}.Brake.PadWear",
            all: [["brake"], ["pad", "wear"]]
        ),
        Sign(
            path: "Vehicle.Powertrain.CombustionEngine.EngineCoolant.Temperature",
            all: [["coolant"]],
            none: ["level"]
        ),
        Sign(
            path: "Vehicle.Powertrain.CombustionEngine.EngineOil.LifeRemainingPercent",
            all: [["oil"], ["life"]]
        ),
        Sign(path: "Vehicle.Powertrain.TractionBattery.StateOfHealth", all: [["soh", "health"]]),
        Sign(
            path: "Vehicle.LowVoltageBattery.CurrentVoltage",
            all: [
                ["12v", "auxiliary", "aux", "battery", "external", "power", "low"], ["voltage"],
            ],
            none: ["hv", "traction", "cell", "charger", "max", "min"]
        ),
        Sign(
            path: "Vehicle.Powertrain.TractionBattery.CurrentVoltage",
            all: [["hv", "traction"], ["voltage"]]
        ),
        Sign(
            path: "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed",
            all: [["soc", "charge"], ["soc", "level", "state", "display"]],
            none: ["limit", "target", "12v"]
        ),
        Sign(
            path: "Vehicle.Service.DistanceToService",
            all: [["service", "maintenance"], ["distance", "km", "range", "miles"]]
        ),
        Sign(
            path: "Vehicle.Service.TimeToService",
            all: [["service", "maintenance"], ["days", "time"]]
        ),
        Sign(
            path: "Vehicle.TraveledDistance",
            all: [["odometer", "travelled", "traveled"], ["odometer", "distance"]]
        ),
        Sign(
            path: "Vehicle.Exterior.AirTemperature",
            all: [["ambient"], ["temperature", "air"]]
        ),
        Sign(
            path: "Vehicle.Powertrain.CombustionEngine.Speed",
            all: [["rpm"]]
        ),
        Sign(
            path: "Vehicle.Powertrain.FuelSystem.RelativeLevel",
            all: [["fuel"], ["level", "percent"]]
        ),
        Sign(
            path: "Vehicle.Speed",
            all: [["speed"]],
            none: ["engine", "wind", "wheel", "limit", "fan", "gps"]
        ),
    ]

    private static func path(_ words: [String], _ catalogue: Catalogue) -> String? {
        // A sender of VSS itself names it in full.
        let dotted = words.joined(separator: ".")
        if let own = catalogue.signals.first(where: { dotted.hasSuffix($0.path.lowercased()) }) {
            return own.path
        }
        for sign in signs {
            guard sign.all.allSatisfy({ $0.contains(where: words.contains) }),
                !sign.none.contains(where: words.contains)
            else { continue }
            guard sign.path.contains("{") else { return sign.path }
            let row = words.contains("front") ? "Row1" : words.contains("rear") ? "Row2" : nil
            let side = words.contains("left") ? "Left" : words.contains("right") ? "Right" : nil
            guard let row, let side else { continue }
            return sign.path.replacing("{row}", with: row).replacing("{side}", with: side)
        }
        return nil
    }
}
