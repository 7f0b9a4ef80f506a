import ArgumentParser
import Foundation
import GatewayApp

/// `gateway sources`: what speaks MQTT besides our own format, checked without a broker.
struct SourcesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sources",
        abstract: "Lists, tests and tries the payload dialects of config/sources.",
        discussion: """
            From a stream that is new to a source that is in force:
              gateway sources draft --topic 'garage/#' --for 60s > config/sources/garage.yaml
              gateway sources try garage/car1/status '{"v":12.4}'
              gateway sources test
              gateway serve
              gateway sources ignored
            """,
        subcommands: [List.self, Test.self, Try.self, Ignored.self]
    )

    struct List: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "One line per source in force.")

        @OptionGroup var settings: ConfigOption

        func run() throws {
            for line in SourceTrial.list(try settings.assembly()) { print(line) }
        }
    }

    struct Test: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Runs the examples that stand in the source files."
        )

        @OptionGroup var settings: ConfigOption

        func run() throws {
            let (examples, complaints) = SourceTrial.test(try settings.assembly())
            for complaint in complaints { print(complaint) }
            print("\(examples) examples, \(complaints.count) failed")
            if examples == 0 {
                print("Next: write down under 'examples' what a message must give.")
            }
            if !complaints.isEmpty || examples == 0 { throw ExitCode.failure }
        }
    }

    struct Ignored: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "What a running gateway takes in and no source maps.",
            discussion: """
                The 200 most frequent topics since its start, with how often and the last payload's
                beginning. Once there are users, GATEWAY_TOKEN must hold a token.
                """
        )

        @OptionGroup var gateway: GatewayOption

        func run() async throws {
            do {
                let lines = try await IgnoredTopicList.lines(try gateway.client())
                for line in lines { print(line) }
                if lines.isEmpty { print("nothing: every message is mapped in part at least") }
            } catch let code as ExitCode {
                throw code
            } catch {
                throw failure(error)
            }
        }
    }

    struct Try: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Shows what would become of a message.",
            discussion: """
                Examples:
                  gateway sources try ovms/anna/leaf7/metric/v/b/12v/voltage 12.61
                  gateway sources try teslamate/cars/1/outside_temp -5.5
                  gateway sources try vehicles/v1/telemetry - < packet.json

                Exits with 1 when no reading comes of it.
                """
        )

        @Argument(help: "The topic.")
        var topic: String

        // A single value that begins with a minus would be taken for an option.
        @Argument(
            parsing: .allUnrecognized,
            help: "The payload; - reads it from standard input."
        )
        var payload: [String]

        @OptionGroup var settings: ConfigOption

        func validate() throws {
            guard payload.count == 1 else {
                throw ValidationError("One payload is expected; quote one that has spaces.")
            }
        }

        func run() throws {
            let bytes =
                payload == ["-"]
                ? Array(FileHandle.standardInput.readDataToEndOfFile()) : Array(payload[0].utf8)
            let assembly = try settings.assembly()
            let outcome = SourceTrial.outcome(of: topic, payload: bytes, assembly: assembly)
            for line in outcome.lines { print(line) }
            if !outcome.hasReadings { throw ExitCode.failure }
        }
    }
}
