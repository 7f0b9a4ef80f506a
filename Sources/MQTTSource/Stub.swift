enum MQTTSourceStub {}
