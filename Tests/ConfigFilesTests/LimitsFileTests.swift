import ConfigFiles
import GatewayApp
import Rules
import Support
import Testing

/// Limits of single vehicles from a CSV.
struct LimitsFileTests {
    private static let header = "vehicle,component,signal,direction,threshold,reference"
    private static let oil =
        "Vehicle.Powertrain.CombustionEngine.EngineOil.LifeRemainingPercent"

    private func load(_ rows: String) throws -> (RuleEngine, [String: [VehicleLimit]]) {
        let folder = try ScratchFolder()
        let assembly = try Fixtures.assembly()
        let engine = RuleEngine(rules: assembly.rules, catalogue: assembly.catalogue)
        let limits = try LimitsFile.load(
            folder.write("limits.csv", "\(Self.header)\n\(rows)\n"),
            engine: engine,
            catalogue: assembly.catalogue
        )
        return (engine, limits)
    }

    @Test func aRowReplacesTheLimitOfOneComponentOfOneVehicle() throws {
        let (engine, limits) = try load("v1,oil,\(Self.oil),falls_to,8.5,as read")
        let limit = try #require(limits["v1"]?.first)
        #expect(limits.count == 1 && limits["v1"]?.count == 1)
        #expect(engine.component(ofSlot: limit.slot).name == "oil" && limit.value == 8.5)
    }

    @Test(arguments: [
        ("v1,oil,\(Self.oil),rises_to,8,", "no rule watches"),
        ("v1,tyre_fl,\(Self.oil),falls_to,8,", "no rule watches"),
        ("v1,oil,Vehicle.No.Such,falls_to,8,", "is not in the catalogue"),
        ("v1,oil,\(Self.oil),falls_to,nan,", "is not a number"),
        ("v1,oil,\(Self.oil),falls_to,8,\nv1,oil,\(Self.oil),falls_to,9,", "occurs twice"),
    ])
    func aWrongRowSaysWhereAndWhy(rows: String, message: String) throws {
        let error = #expect(throws: ConfigError.self) { try load(rows) }
        #expect(error?.message.contains(message) == true, "\(error?.description ?? "")")
        #expect(error?.line == rows.split(separator: "\n").count + 1)
    }
}
