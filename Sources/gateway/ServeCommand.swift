import ArgumentParser
import GatewayApp
import Telemetry

struct ServeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "serve",
        abstract: "Takes in readings, raises alerts and serves the advisors' page.",
        discussion: """
            Stops on SIGTERM or SIGINT: what was read is committed and acknowledged first.

            Examples:
              gateway serve
              gateway serve --config /etc/gateway/gateway.yaml
              GATEWAY_WEB_PORT=9090 gateway serve
            """
    )

    @Option(help: "Settings; paths inside are relative to that file.")
    var config = "config/gateway.yaml"

    @Option(
        help: ArgumentHelp(
            "For demonstrations: a clock that plays history until it meets the present.",
            discussion: "Start and wall time in ms since 1970, and a factor.",
            valueName: "start,anchor,speed"
        )
    )
    var catchUp: String?

    func validate() throws {
        if let catchUp, CatchUpClock(catchUp) == nil {
            throw ValidationError(
                "--catch-up takes START,ANCHOR,SPEED: two times in ms since 1970, and a factor."
            )
        }
    }

    func run() async throws {
        do {
            try await Serve.run(configPath: config, catchUp: catchUp.flatMap(CatchUpClock.init))
        } catch {
            throw failure(error)
        }
    }
}
