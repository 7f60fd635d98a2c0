//! `wasi:sockets/tcp-create-socket` and `udp-create-socket`: where no address is granted, there are no
//! sockets at all, and the log says so.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::sockets::network::{ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::{tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{SocketResult, TcpSocket, UdpSocket};
use wasmtime_wasi::sockets::WasiSocketsView;

use crate::state::State;

impl State {
    fn may_make_sockets(&self) -> SocketResult<()> {
        match self.socket_access.may_make_sockets() {
            true => Ok(()),
            false => Err(ErrorCode::AccessDenied.into()),
        }
    }
}

impl tcp_create_socket::Host for State {
    fn create_tcp_socket(&mut self, family: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.may_make_sockets()?;
        self.sockets().create_tcp_socket(family)
    }
}

impl udp_create_socket::Host for State {
    async fn create_udp_socket(
        &mut self,
        family: IpAddressFamily,
    ) -> SocketResult<Resource<UdpSocket>> {
        self.may_make_sockets()?;
        self.sockets().create_udp_socket(family).await
    }
}
