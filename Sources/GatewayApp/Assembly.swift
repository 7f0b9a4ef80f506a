package import ConfigFiles
package import Decoding
package import GatewayCore
package import Rules
package import Store
package import Telemetry
package import Workshop

/// What the files of `config/` say, checked and ready for a core.
package struct Assembly: Sendable {
    package var settings: GatewaySettings
    package var catalogue: Catalogue
    package var sources: [Source]
    package var sourceExamples: [SourceExample]
    package var rules: [Rule]
    package var jobs: [Job]
    package var stations: [Station]
    package var registry: [RegistryRow]

    /// Reads every file the settings name.
    /// - Throws: `ConfigError` with file and line.
    package init(configPath: String) throws {
        settings = try GatewayFile.load(configPath)
        catalogue = try CatalogueFile.load(settings.catalogue)
        (sources, sourceExamples) = try SourceFile.load(
            folder: settings.sources,
            catalogue: catalogue
        )
        jobs = try StationFile.loadJobs("\(settings.stations)/catalogue.yaml")
        stations = try StationFile.loadStations("\(settings.stations)/stations.yaml")
        rules = try RuleFile.load(
            folder: settings.rules,
            catalogue: catalogue,
            jobs: Set(jobs.map(\.code))
        )
        registry = settings.registry.isEmpty ? [] : try RegistryFile.load(settings.registry)
        let codes = Set(stations.map(\.code))
        for row in registry {
            guard let code = row.profile.station, !codes.contains(code) else { continue }
            throw ConfigError(
                file: settings.registry,
                line: 0,
                column: 0,
                message: "vehicle '\(row.vehicle)': there is no station '\(code)'"
            )
        }
    }

    /// How long readings are kept, by the settings.
    package var retention: RetentionPolicy {
        func days(_ count: Int) -> Milliseconds? { count > 0 ? .days(Int64(count)) : nil }
        return RetentionPolicy(
            raw: days(settings.rawDays),
            hourly: days(settings.hourlyDays),
            daily: days(settings.dailyDays)
        )
    }

    package func makeGateway(tellsForecasts: Bool = false) -> Gateway {
        Gateway(
            catalogue: catalogue,
            sources: sources,
            rules: rules,
            stations: stations,
            jobs: jobs,
            silentAfter: settings.silentAfterHours > 0
                ? .hours(Int64(settings.silentAfterHours)) : nil,
            tellsForecasts: tellsForecasts
        )
    }
}
