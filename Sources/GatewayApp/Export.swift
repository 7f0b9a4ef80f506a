import ConfigFiles
import Foundation
import Store
import Telemetry

/// The store's readings as CSV on standard output.
package enum Export {
    /// Writes `vehicle,signal,observed,value,quality`, vehicle by vehicle, each in order of time.
    /// - Throws: a `ConfigError`, or a `StoreError` when a gateway works on the file.
    package static func run(
        configPath: String,
        storePath: String?,
        vehicle: String?,
        signal: String?
    ) throws {
        let assembly = try Assembly(configPath: configPath)
        let path = storePath ?? assembly.settings.storePath
        guard FileManager.default.fileExists(atPath: path) else {
            throw StoreError.unopenable(path: path, cause: "there is no such file")
        }
        let store = try GatewayStore(path: path, durability: .full)
        let writer = try Writer(
            store: store,
            catalogue: assembly.catalogue,
            stations: assembly.stations
        )
        try writer.reopen()
        let file = CSVFile(
            writingTo: .standardOutput,
            header: "vehicle,signal,observed,value,quality"
        )
        try writer.export(vehicle: vehicle, path: signal) { reading in
            try file.write { row in
                row.add(reading.vehicle)
                row.add(reading.path)
                row.add(reading.observedAt)
                row.add("\(reading.value)")
                row.add(reading.quality == .good ? "good" : "no_reading")
            }
        }
        try file.close()
        try store.close()
    }
}
