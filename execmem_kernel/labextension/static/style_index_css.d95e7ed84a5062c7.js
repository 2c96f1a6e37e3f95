"use strict";(self.rspackChunkexecmem_kernel=self.rspackChunkexecmem_kernel||[]).push([["style_index_css"],{"../../node_modules/css-loader/dist/cjs.js!./style/base.css"(e,o,t){var r=t("../../node_modules/css-loader/dist/runtime/noSourceMaps.js"),s=t.n(r),n=t("../../node_modules/css-loader/dist/runtime/api.js"),a=(t.n(n))()(s());a.push([e.id,`/* Tooltips, which stand outside of their cells, in the theme's colours: CodeMirror's own are made for a white page. */
.cm-tooltip:has(.execmem-message),
.cm-tooltip:has(.execmem-hover) {
  background: var(--jp-layout-color1);
  border: var(--jp-border-width) solid var(--jp-border-color1);
  color: var(--jp-ui-font-color1);
  box-shadow: var(--jp-elevation-z6);
  max-width: 560px;
}

.cm-diagnostic:has(.execmem-message) {
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
}

.cm-diagnostic .execmem-remark {
  color: var(--jp-ui-font-color2);
  font-family: var(--jp-code-font-family);
}

.cm-diagnostic:has(.execmem-message) .cm-diagnosticAction {
  background: var(--jp-brand-color1);
  color: var(--jp-ui-inverse-font-color1);
}

.cm-tooltip .execmem-hover {
  max-height: 20em;
  overflow: auto;
  padding: 0 8px;
}

.jp-CodeCell .cm-panels:has(.execmem-load-hint) {
  background: var(--jp-layout-color2);
  border: none;
  border-left: 3px solid var(--jp-warn-color1);
  color: var(--jp-content-font-color1);
}

.execmem-load-hint {
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
  padding: 2px 6px;
}

.execmem-load-hint code {
  background: none;
  color: inherit;
  font-family: var(--jp-code-font-family);
}

.execmem-reference {
  overflow: auto;
  padding: 12px 24px;
}

.jp-CodeCell .cm-panels:has(.execmem-snippets) {
  background: var(--jp-layout-color2);
  border: none;
  color: var(--jp-content-font-color1);
}

.execmem-snippets {
  display: flex;
  flex-wrap: wrap;
  align-items: baseline;
  gap: 4px 8px;
  font-family: var(--jp-ui-font-family);
  font-size: var(--jp-ui-font-size1);
  padding: 4px 6px;
}

.execmem-snippets button {
  background: var(--jp-layout-color1);
  border: var(--jp-border-width) solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  color: var(--jp-content-link-color);
  cursor: pointer;
  font: inherit;
  padding: 1px 6px;
}

.execmem-snippets button:focus-visible {
  outline: 2px solid var(--jp-brand-color1);
}
`,""]),t.d(o,{},{A:a})},"../../node_modules/css-loader/dist/cjs.js!./style/index.css"(e,o,t){var r=t("../../node_modules/css-loader/dist/runtime/noSourceMaps.js"),s=t.n(r),n=t("../../node_modules/css-loader/dist/runtime/api.js"),a=t.n(n),i=t("../../node_modules/css-loader/dist/cjs.js!./style/base.css"),l=a()(s());l.i(i.A),l.push([e.id,`
`,""]),t.d(o,{},{A:l})},"../../node_modules/css-loader/dist/runtime/api.js"(e){e.exports=function(e){var o=[];return o.toString=function(){return this.map(function(o){var t="",r=void 0!==o[5];return o[4]&&(t+="@supports (".concat(o[4],") {")),o[2]&&(t+="@media ".concat(o[2]," {")),r&&(t+="@layer".concat(o[5].length>0?" ".concat(o[5]):""," {")),t+=e(o),r&&(t+="}"),o[2]&&(t+="}"),o[4]&&(t+="}"),t}).join("")},o.i=function(e,t,r,s,n){"string"==typeof e&&(e=[[null,e,void 0]]);var a={};if(r)for(var i=0;i<this.length;i++){var l=this[i][0];null!=l&&(a[l]=!0)}for(var d=0;d<e.length;d++){var c=[].concat(e[d]);r&&a[c[0]]||(void 0!==n&&(void 0===c[5]||(c[1]="@layer".concat(c[5].length>0?" ".concat(c[5]):""," {").concat(c[1],"}")),c[5]=n),t&&(c[2]&&(c[1]="@media ".concat(c[2]," {").concat(c[1],"}")),c[2]=t),s&&(c[4]?(c[1]="@supports (".concat(c[4],") {").concat(c[1],"}"),c[4]=s):c[4]="".concat(s)),o.push(c))}},o}},"../../node_modules/css-loader/dist/runtime/noSourceMaps.js"(e){e.exports=function(e){return e[1]}},"./style/index.css"(e,o,t){t.r(o);var r=t("../../node_modules/style-loader/dist/runtime/injectStylesIntoStyleTag.js"),s=t.n(r),n=t("../../node_modules/style-loader/dist/runtime/styleDomAPI.js"),a=t.n(n),i=t("../../node_modules/style-loader/dist/runtime/insertBySelector.js"),l=t.n(i),d=t("../../node_modules/style-loader/dist/runtime/setAttributesWithoutAttributes.js"),c=t.n(d),u=t("../../node_modules/style-loader/dist/runtime/insertStyleElement.js"),m=t.n(u),p=t("../../node_modules/style-loader/dist/runtime/styleTagTransform.js"),f=t.n(p),v=t("../../node_modules/css-loader/dist/cjs.js!./style/index.css"),y={};y.styleTagTransform=f(),y.setAttributes=c(),y.insert=l().bind(null,"head"),y.domAPI=a(),y.insertStyleElement=m(),s()(v.A,y);let h=v.A&&v.A.locals?v.A.locals:void 0;t.d(o,{},{default:h})},"../../node_modules/style-loader/dist/runtime/injectStylesIntoStyleTag.js"(e){var o=[];function t(e){for(var t=-1,r=0;r<o.length;r++)if(o[r].identifier===e){t=r;break}return t}function r(e,r){for(var s={},n=[],a=0;a<e.length;a++){var i=e[a],l=r.base?i[0]+r.base:i[0],d=s[l]||0,c="".concat(l," ").concat(d);s[l]=d+1;var u=t(c),m={css:i[1],media:i[2],sourceMap:i[3],supports:i[4],layer:i[5]};if(-1!==u)o[u].references++,o[u].updater(m);else{var p=function(e,o){var t=o.domAPI(o);return t.update(e),function(o){o?(o.css!==e.css||o.media!==e.media||o.sourceMap!==e.sourceMap||o.supports!==e.supports||o.layer!==e.layer)&&t.update(e=o):t.remove()}}(m,r);r.byIndex=a,o.splice(a,0,{identifier:c,updater:p,references:1})}n.push(c)}return n}e.exports=function(e,s){var n=r(e=e||[],s=s||{});return function(e){e=e||[];for(var a=0;a<n.length;a++){var i=t(n[a]);o[i].references--}for(var l=r(e,s),d=0;d<n.length;d++){var c=t(n[d]);0===o[c].references&&(o[c].updater(),o.splice(c,1))}n=l}}},"../../node_modules/style-loader/dist/runtime/insertBySelector.js"(e){var o={};e.exports=function(e,t){var r=function(e){if(void 0===o[e]){var t=document.querySelector(e);if(window.HTMLIFrameElement&&t instanceof window.HTMLIFrameElement)try{t=t.contentDocument.head}catch(e){t=null}o[e]=t}return o[e]}(e);if(!r)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");r.appendChild(t)}},"../../node_modules/style-loader/dist/runtime/insertStyleElement.js"(e){e.exports=function(e){var o=document.createElement("style");return e.setAttributes(o,e.attributes),e.insert(o,e.options),o}},"../../node_modules/style-loader/dist/runtime/setAttributesWithoutAttributes.js"(e,o,t){e.exports=function(e){var o=t.nc;o&&e.setAttribute("nonce",o)}},"../../node_modules/style-loader/dist/runtime/styleDomAPI.js"(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var o=e.insertStyleElement(e);return{update:function(t){var r,s,n;r="",t.supports&&(r+="@supports (".concat(t.supports,") {")),t.media&&(r+="@media ".concat(t.media," {")),(s=void 0!==t.layer)&&(r+="@layer".concat(t.layer.length>0?" ".concat(t.layer):""," {")),r+=t.css,s&&(r+="}"),t.media&&(r+="}"),t.supports&&(r+="}"),(n=t.sourceMap)&&"u">typeof btoa&&(r+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(n))))," */")),e.styleTagTransform(r,o,e.options)},remove:function(){var e;null===(e=o).parentNode||e.parentNode.removeChild(e)}}}},"../../node_modules/style-loader/dist/runtime/styleTagTransform.js"(e){e.exports=function(e,o){if(o.styleSheet)o.styleSheet.cssText=e;else{for(;o.firstChild;)o.removeChild(o.firstChild);o.appendChild(document.createTextNode(e))}}}}]);