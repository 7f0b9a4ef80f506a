import ArgumentParser
import GatewayApp

/// The settings a command works by.
struct ConfigOption: ParsableArguments {
    @Option(help: "Settings; paths inside are relative to that file.")
    var config = "config/gateway.yaml"

    func assembly() throws -> Assembly {
        do { return try Assembly(configPath: config) } catch { throw failure(error) }
    }
}

/// A gateway that runs, which a command asks.
struct GatewayOption: ParsableArguments {
    @Option(help: "Settings; the address of the gateway is taken from web.host and web.port.")
    var config = "config/gateway.yaml"

    @Option(help: "The gateway's own URL, instead of the one in the settings.")
    var url: String?

    func client() throws -> GatewayClient {
        do { return try GatewayClient(url: url, configPath: config) } catch {
            throw failure(error)
        }
    }
}

/// The store a command works on, without the gateway.
struct StoreOption: ParsableArguments {
    @Option(help: "Settings; paths inside are relative to that file.")
    var config = "config/gateway.yaml"

    @Option(help: "The database, instead of the one in the settings.")
    var store: String?

    func logins() throws -> Logins {
        do { return try Logins(configPath: config, storePath: store) } catch {
            throw failure(error)
        }
    }

    func customers() throws -> CustomerFiles {
        do { return try CustomerFiles(configPath: config, storePath: store) } catch {
            throw failure(error)
        }
    }
}
