import Telemetry
import Testing

struct CatalogueTests {
    private let catalogue = Catalogue(
        version: "test",
        signals: [
            SignalDefinition(
                path: "A.Pressure",
                datatype: .uint16,
                unit: "kPa",
                minimum: 0,
                maximum: 1_100,
                noReading: [0, 1_034.21, 1_758],
                aliases: ["Old.Pressure"]
            ),
            SignalDefinition(
                path: "A.Temperature",
                datatype: .float,
                unit: "celsius",
                minimum: -60,
                maximum: 150,
                noReading: [-40],
                aliases: []
            ),
        ]
    )

    @Test func pathsAndAliasesNameTheSameSignal() {
        #expect(catalogue.find(path: "A.Pressure") == SignalID(index: 0))
        #expect(catalogue.find(path: "Old.Pressure") == SignalID(index: 0))
        #expect(catalogue.find(path: "A.pressure") == nil)
    }

    @Test(
        arguments: [
            (0.0, Quality.noReading), (1_034.21, .noReading), (1_758, .noReading), (0.5, .good),
            (1_100, .good), (1_100.1, nil), (-0.5, nil),
        ] as [(Double, Quality?)]
    )
    func valuesThatMeanNothingAreToldApart(value: Double, quality: Quality?) {
        #expect(catalogue.quality(of: value, signal: SignalID(index: 0)) == quality)
    }

    /// 150 psi is all bits set of a gauge that counts in psi.
    @Test func aConvertedAbsentValueIsStillAbsent() throws {
        let conversion = try #require(Units.conversion(from: "psi", to: "kPa"))
        let value = 150 * conversion.factor + conversion.offset
        #expect(catalogue.quality(of: value, signal: SignalID(index: 0)) == .noReading)
    }

    @Test(arguments: [
        ("bar", "kPa", 2.5, 250.0), ("K", "celsius", 273.15, 0), ("degF", "celsius", 212, 100),
        ("km", "m", 1.5, 1_500), ("ratio", "percent", 0.5, 50), ("days", "s", 2, 172_800),
        ("mph", "km/h", 100, 160.9344),
    ])
    func unitsConvert(from: String, to: String, value: Double, expected: Double) throws {
        let conversion = try #require(Units.conversion(from: from, to: to))
        #expect(abs(value * conversion.factor + conversion.offset - expected) < 1e-9)
    }

    @Test func aUnitIsNeverGuessed() {
        #expect(Units.conversion(from: "kPa", to: "celsius") == nil)
        #expect(Units.conversion(from: "furlong", to: "m") == nil)
        #expect(Units.conversion(from: "furlong", to: "furlong") == nil)
    }

    @Test func readingsAreThirtyTwoBytes() {
        #expect(MemoryLayout<Reading>.size <= 32 && MemoryLayout<Reading>.stride == 32)
    }

    @Test func namesKeepTheirNumbersWhileTheTableGrows() {
        var table = InternTable()
        for number in 0..<10_000 {
            #expect(table.intern(Array("vehicle-\(number)".utf8).span) == number)
        }
        for number in 0..<10_000 {
            #expect(table.find(Array("vehicle-\(number)".utf8).span) == number)
            #expect(table.name(number) == "vehicle-\(number)")
        }
        #expect(table.find(Array("vehicle-10000".utf8).span) == nil)
        #expect(table.intern([UInt8]().span) == 10_000)
    }
}
